//! What Lambda starts. You need not change this file.

mod handler;
mod wire;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    wire::serve().await
}
