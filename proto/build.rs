//! Compiles the wire schema without `protoc`.

use std::error::Error;
use std::path::Path;

const FILES: [&str; 6] = [
    "identity.proto",
    "roster.proto",
    "enrol.proto",
    "control.proto",
    "link.proto",
    "audit.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=wire");
    let files = FILES.map(|name| Path::new("wire").join(name));
    let descriptors = protox::compile(files, ["wire"])?;
    prost_build::Config::new()
        .include_file("wire.rs")
        .compile_fds(descriptors)?;
    Ok(())
}
