//! What `floodway init function --lang rust` writes, with a handler for any JSON value.

mod handler;
#[path = "../../../../src/cli/init/templates/rust/wire.rs"]
mod wire;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    wire::serve().await
}
