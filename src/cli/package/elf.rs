//! Reads from a program's ELF file what it needs of the machine that it runs on.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use object::Endianness;
use object::elf::{DT_NEEDED, EM_AARCH64, EM_X86_64, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};

use super::Arch;

/// A program for Linux.
#[derive(Debug)]
pub(super) struct Elf {
    pub arch: Arch,
    /// The loader that starts the program. None if the program is static.
    pub loader: Option<PathBuf>,
    /// The version of glibc that the program needs, if it needs glibc.
    glibc: Option<(u32, u32)>,
    /// The names of the shared libraries that it needs.
    libraries: Vec<String>,
}

/// The version of glibc in Lambda's runtime `provided.al2023`.
pub(super) const GLIBC_OF_LAMBDA: (u32, u32) = (2, 34);

/// The beginnings of the names of the libraries that the runtime has: those of glibc, and that of GCC.
const LIBRARIES_OF_LAMBDA: [&str; 7] = [
    "libc.so.",
    "libm.so.",
    "libdl.so.",
    "librt.so.",
    "libpthread.so.",
    "libgcc_s.so.",
    "ld-linux-",
];

impl Elf {
    /// Reads a program. None if the bytes are not a Linux program for an architecture that Lambda has.
    pub(super) fn read(bytes: &[u8]) -> Option<Elf> {
        Elf::parse(bytes).ok().flatten()
    }

    fn parse(bytes: &[u8]) -> object::Result<Option<Elf>> {
        let header = FileHeader64::<Endianness>::parse(bytes)?;
        let endian = header.endian()?;
        let arch = match header.e_machine(endian) {
            EM_X86_64 => Arch::X86_64,
            EM_AARCH64 => Arch::Arm64,
            _ => return Ok(None),
        };
        let mut loader = None;
        for segment in header.program_headers(endian, bytes)? {
            let name = segment.interpreter(endian, bytes)?;
            loader = loader.or(name.map(|name| PathBuf::from(OsStr::from_bytes(name))));
        }
        let sections = header.sections(endian, bytes)?;
        let mut libraries = Vec::new();
        if let Some((entries, link)) = sections.dynamic(endian, bytes)? {
            let strings = sections.strings(endian, bytes, link)?;
            for entry in entries.iter().filter(|entry| entry.tag32(endian) == Some(DT_NEEDED)) {
                let name = entry.string(endian, strings)?;
                libraries.push(String::from_utf8_lossy(name).into_owned());
            }
        }
        let mut glibc = None;
        if let Some((mut needs, link)) = sections.gnu_verneed(endian, bytes)? {
            let strings = sections.strings(endian, bytes, link)?;
            while let Some((_, mut versions)) = needs.next()? {
                while let Some(version) = versions.next()? {
                    glibc = glibc.max(glibc_version(version.name(endian, strings)?));
                }
            }
        }
        Ok(Some(Elf { arch, loader, glibc, libraries }))
    }

    /// Returns why the program cannot run in Lambda as it is. None if it can.
    pub(super) fn lacks(&self) -> Option<String> {
        let (major, minor) = GLIBC_OF_LAMBDA;
        if let Some((needs_major, needs_minor)) = self.glibc
            && self.glibc > Some(GLIBC_OF_LAMBDA)
        {
            return Some(format!(
                "it needs glibc {needs_major}.{needs_minor}, and Lambda's runtime provided.al2023 has {major}.{minor}"
            ));
        }
        let is_there = |name: &str| LIBRARIES_OF_LAMBDA.iter().any(|begin| name.starts_with(begin));
        let missing = self.libraries.iter().find(|name| !is_there(name))?;
        Some(format!("it needs {missing}, which Lambda's runtime provided.al2023 does not have"))
    }

    /// Returns what the program needs, in words.
    pub(super) fn needs(&self) -> String {
        match self.glibc {
            Some((major, minor)) => format!("needs glibc {major}.{minor}"),
            None => "needs no C library".to_owned(),
        }
    }
}

/// Returns the version in a name such as `GLIBC_2.34`.
fn glibc_version(name: &[u8]) -> Option<(u32, u32)> {
    let version = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
