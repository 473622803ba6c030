//! Functions in Java, under AWS's runtime interface client.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::PackageError;
use super::manifest::Manifest;

/// A Java program, its class path, and the client's native library.
#[derive(Clone, Debug)]
pub(super) struct Java {
    program: PathBuf,
    class_path: OsString,
    /// It is removed with the last clone.
    native: Arc<Native>,
    /// The version, such as 17.
    pub version: String,
}

const MAIN: &str = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda";
const CLIENT: &str = "aws-lambda-java-runtime-interface-client";
const NATIVE: &str = "com.amazonaws.services.lambda.runtime.api.client.runtimeapi.NativeClient.JNI";

impl Java {
    pub(super) fn find(manifest: &Manifest, code: &Path) -> Result<Java, PackageError> {
        let runtime_jars = manifest.runtime_jars()?;
        let folders = [runtime_jars.as_deref(), Some(code)];
        let jars = folders.into_iter().flatten().flat_map(jars).collect::<Vec<_>>();
        let client = jars.iter().find(|jar| {
            jar.file_name().is_some_and(|name| name.to_string_lossy().starts_with(CLIENT))
        });
        // The client may also be packed into the function's own jar.
        let candidates = client.into_iter().chain(&jars);
        let native = candidates.filter_map(|jar| Native::unpack(jar).transpose()).next();
        let native = match native {
            Some(native) => native.map_err(|error| {
                PackageError::Interpreter(format!("cannot unpack AWS's client for Java: {error}"))
            })?,
            None => {
                let what = format!(
                    "has no {CLIENT}-VERSION.jar, AWS's client for Java: get com.amazonaws:{CLIENT} \
                     with its dependencies from Maven Central into a folder, and name it as \
                     runtime_jars in function.toml{}",
                    manifest
                        .build
                        .as_ref()
                        .map(|build| format!(" (`{build}`)"))
                        .unwrap_or_default()
                );
                let path = runtime_jars.unwrap_or_else(|| code.to_owned());
                return Err(PackageError::Program { path, what });
            }
        };
        let mut entries = jars.clone();
        if code.is_dir() {
            // Classes that are not in a jar.
            entries.insert(0, code.to_owned());
        }
        let class_path = std::env::join_paths(&entries).map_err(|error| PackageError::Program {
            path: code.to_owned(),
            what: format!("cannot stand in a class path: {error}"),
        })?;
        let (program, version) = program()?;
        Ok(Java { program, class_path, native: Arc::new(native), version })
    }

    /// Returns the command that starts a process as AWS does: most of the memory is heap, with the serial
    /// collector and the fast compiler.
    pub(super) fn command(&self, handler: &str, memory_mb: u32) -> Command {
        let mut native = OsString::from(format!("-D{NATIVE}="));
        native.push(&self.native.library);
        let mut command = Command::new(&self.program);
        command.arg(native).arg(format!("-Xmx{}m", u64::from(memory_mb) * 85 / 100));
        command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
        command.arg(&self.class_path).args([MAIN, handler]);
        command
    }
}

/// Returns a jar, or the jars in a folder, in order.
fn jars(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut jars: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|suffix| suffix == "jar")).collect();
    jars.sort();
    jars
}

/// Finds the program and its version.
fn program() -> Result<(PathBuf, String), PackageError> {
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    let (program, source) = match home {
        Some(home) => {
            let program = super::program(home).join("bin/java");
            let source = format!("{} (JAVA_HOME)", program.display());
            (program, source)
        }
        None => (PathBuf::from("java"), "java (the one on PATH)".to_owned()),
    };
    let no = |why: String| {
        PackageError::Interpreter(format!(
            "no Java: {source} cannot be run ({why}). Install a Java runtime, 17 or newer, or name one \
             in JAVA_HOME"
        ))
    };
    let output = Command::new(&program).args(["-XshowSettings:properties", "-version"]).output();
    let output = output.map_err(|error| no(error.to_string()))?;
    let settings = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(no(settings.lines().next().unwrap_or("it says nothing").to_owned()));
    }
    let version = settings.lines().find_map(|line| {
        line.trim().strip_prefix("java.specification.version = ").map(str::to_owned)
    });
    Ok((program, version.unwrap_or_else(|| "17".to_owned())))
}

/// The client's native library. By default each process would unpack it to the same file, while another
/// process loads that file. So it is unpacked once, into a folder of this server, and each process is told
/// its path.
#[derive(Debug)]
struct Native {
    folder: PathBuf,
    library: PathBuf,
}

static FOLDERS: AtomicU64 = AtomicU64::new(0);

impl Native {
    /// Unpacks the library from a jar, if the jar contains it.
    fn unpack(jar: &Path) -> io::Result<Option<Native>> {
        let Ok(file) = fs::File::open(jar) else { return Ok(None) };
        let Ok(mut archive) = zip::ZipArchive::new(io::BufReader::new(file)) else {
            return Ok(None);
        };
        let musl = Path::new("/etc/alpine-release").exists();
        let architecture = match std::env::consts::ARCH {
            "aarch64" => "aarch_64",
            other => other,
        };
        let libc = if musl { "linux_musl" } else { "linux" };
        let name = format!("jni/libaws-lambda-jni.{libc}-{architecture}.so");
        let Ok(mut entry) = archive.by_name(&name) else { return Ok(None) };
        let number = FOLDERS.fetch_add(1, Relaxed);
        let name = format!("floodway-{}-{number}-jni", std::process::id());
        let folder = std::env::temp_dir().join(name);
        // Only this user can write to the folder, because the library in it is executed.
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder)?;
        let native = Native { library: folder.join("libaws-lambda-jni.so"), folder };
        io::copy(&mut entry, &mut fs::File::create_new(&native.library)?)?;
        Ok(Some(native))
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // A leftover in a temporary folder does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
