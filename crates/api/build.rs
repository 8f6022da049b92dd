//! Generates the wire types from `proto/`, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // At run time, not compile time: checkouts that share a target directory share this program.
    let root = format!("{}/../../proto", std::env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo:rerun-if-changed={root}");
    let files = protox::compile(["capataz/v1/capataz.proto"], [root])?;
    // Byte fields are slices of the buffer they came in: payloads are not copied.
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(files)?;
    Ok(())
}
