//! TEMP stub
#![allow(missing_docs)]
use crate::task::Task;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
#[derive(Clone)]
pub struct Bridge;
pub struct Lane<K>(PhantomData<K>);
pub struct Part<K: Task> {
    pub id: u64,
    pub input: Arc<K::In>,
    pub range: Range<usize>,
    pub reply: ReplyPort<K::Out>,
}
pub struct Reply<O> {
    pub id: u64,
    pub range: Range<usize>,
    pub outcome: Outcome<O>,
}
pub enum Outcome<O> {
    Done { out: O, home: Vec<usize> },
    Home(()),
}
pub struct ReplyPort<O>(crossbeam_channel::Sender<Reply<O>>);
impl<O> Clone for ReplyPort<O> {
    fn clone(&self) -> Self {
        ReplyPort(self.0.clone())
    }
}
pub struct ReplyInbox<O>(crossbeam_channel::Receiver<Reply<O>>);
impl<O> ReplyInbox<O> {
    pub fn rearm(&self) {}
    pub fn try_recv(&self) -> Option<Reply<O>> {
        self.0.try_recv().ok()
    }
}
pub fn reply_channel<O>(_w: Arc<dyn Fn() + Send + Sync>) -> (ReplyPort<O>, ReplyInbox<O>) {
    let (a, b) = crossbeam_channel::unbounded();
    (ReplyPort(a), ReplyInbox(b))
}
impl Bridge {
    pub fn lane<K: Task>(&self, _t: Arc<K>) -> Lane<K> {
        Lane(PhantomData)
    }
}
impl<K: Task> Lane<K> {
    pub fn send(&self, p: Part<K>) -> Result<(), Part<K>> {
        Err(p)
    }
}
