//! How bytes are packed: the first ones say, whatever the file's name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::os::unix::fs::FileExt as _;

use flate2::bufread::GzDecoder;

/// How a file's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

/// Bytes that are looked at: a tar archive has its mark at byte 257.
pub(super) const FIRST: usize = 512;

/// First bytes of what is not read, what it is, and what makes lines of it.
const REFUSED: [(&[u8], &str, &str); 12] = [
    (b"BZh", "compressed with bzip2", "bzip2 -dc"),
    (b"\xfd7zXZ\0", "compressed with xz", "xz -dc"),
    (b"LZIP", "compressed with lzip", "lzip -dc"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "lz4 -dc"),
    (b"\x1f\x9d", "compressed with compress", "zcat"),
    (b"PK\x03\x04", "a zip archive", "unzip -p"),
    (b"PK\x05\x06", "an empty zip archive", "unzip -p"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so"),
    (b"Rar!\x1a\x07", "a rar archive", "unrar p -inul"),
    (b"\xff\xfe\0\0", "text in UTF-32", "iconv -f UTF-32 -t UTF-8"),
    (b"\xff\xfe", "text in UTF-16", "iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "iconv -f UTF-16 -t UTF-8"),
];

impl Compression {
    /// What the first bytes say.
    ///
    /// # Errors
    /// If they begin something that lines cannot be read from.
    pub(super) fn of(first: &[u8]) -> io::Result<Compression> {
        match first {
            [0x1f, 0x8b, ..] => return Ok(Compression::Gzip),
            // A frame, or one that is to be skipped, as parallel compressors write it first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                return Ok(Compression::Zstd);
            }
            _ => {}
        }
        if let Some((_, what, how)) = REFUSED.iter().find(|(magic, ..)| first.starts_with(magic)) {
            return Err(refused(what, how));
        }
        if first.get(257..262) == Some(b"ustar") {
            return Err(refused("a tar archive", "tar -xOf"));
        }
        // Without a mark: Latin letters, each with a byte that is 0.
        let is_wide = |zero: usize| {
            let pairs = first.len() / 2;
            pairs >= 4 && first.chunks_exact(2).all(|two| two[zero] == 0 && two[1 - zero] != 0)
        };
        match is_wide(0) || is_wide(1) {
            true => Err(refused("text in UTF-16", "iconv -f UTF-16 -t UTF-8")),
            false => Ok(Compression::Plain),
        }
    }

    /// What the first bytes of a file say.
    pub(super) fn of_file(file: &File) -> io::Result<Compression> {
        let mut first = [0; FIRST];
        let mut read = 0;
        while read < first.len() {
            match file.read_at(&mut first[read..], read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Compression::of(&first[..read])
    }
}

fn refused(what: &str, how: &str) -> io::Error {
    let why = format!(
        "it is {what}, and only text in UTF-8 is read, plain or compressed with gzip or zstd: \
         {how} FILE | floodway run --source lines:- makes it that"
    );
    io::Error::other(why)
}

/// A file's bytes as they are when they are unpacked.
pub(super) fn unpack(
    file: impl Read + Send + 'static,
    compression: Compression,
) -> io::Result<Box<dyn Read + Send>> {
    Ok(match compression {
        Compression::Plain => Box::new(file),
        Compression::Gzip => Box::new(Content::new(Gzip::new(file))),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::new(file)?;
            // As `zstd --long=31`: the most that a frame may want.
            decoder.window_log_max(31)?;
            Box::new(Content::new(decoder))
        }
    })
}

/// The members of a gzip file, which may have zeros behind them, as tapes and blocks pad it. What else
/// comes behind the last member is left, as `gzip` leaves it.
struct Gzip<R> {
    at: At<BufReader<R>>,
}

enum At<R> {
    Member(Box<GzDecoder<R>>),
    Between(R),
    End,
}

impl<R: Read> Gzip<R> {
    fn new(file: R) -> Self {
        Gzip { at: At::Member(Box::new(GzDecoder::new(BufReader::with_capacity(64 << 10, file)))) }
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.at {
                At::Member(member) => {
                    let read = member.read(buffer)?;
                    if read > 0 || buffer.is_empty() {
                        return Ok(read);
                    }
                    let At::Member(member) = std::mem::replace(&mut self.at, At::End) else {
                        return Ok(0);
                    };
                    self.at = At::Between(member.into_inner());
                }
                At::Between(file) => {
                    let bytes = file.fill_buf()?;
                    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                    match bytes.get(zeros) {
                        Some(0x1f) => {
                            file.consume(zeros);
                            let At::Between(file) = std::mem::replace(&mut self.at, At::End) else {
                                return Ok(0);
                            };
                            self.at = At::Member(Box::new(GzDecoder::new(file)));
                        }
                        Some(_) => {
                            tracing::warn!(
                                "what comes behind compressed data, and is none, is left"
                            );
                            self.at = At::End;
                        }
                        None if bytes.is_empty() => self.at = At::End,
                        None => file.consume(zeros),
                    }
                }
                At::End => return Ok(0),
            }
        }
    }
}

/// What was packed: refused if it is no text either, and an end that comes too early is said to be that.
struct Content<R> {
    packed: R,
    /// The first bytes, which are looked at.
    first: Cursor<Vec<u8>>,
    is_known: bool,
}

impl<R: Read> Content<R> {
    fn new(packed: R) -> Self {
        Content { packed, first: Cursor::default(), is_known: false }
    }

    fn unpack(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.packed.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => error,
            io::ErrorKind::UnexpectedEof => {
                io::Error::other("the compressed data ends too early: it is truncated")
            }
            kind => io::Error::new(kind, format!("the compressed data is damaged: {error}")),
        })
    }
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.is_known {
            let mut more = [0; FIRST];
            let read = self.unpack(&mut more)?;
            let first = self.first.get_mut();
            first.extend_from_slice(&more[..read]);
            if read == 0 || first.len() >= FIRST {
                self.is_known = true;
                if Compression::of(first)? != Compression::Plain {
                    return Err(refused("compressed twice", "zcat"));
                }
            }
        }
        match self.first.read(buffer)? {
            0 => self.unpack(buffer),
            read => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let compression = Compression::of(&bytes).map_err(|error| error.to_string())?;
        let mut content = unpack(Cursor::new(bytes), compression).unwrap();
        let mut all = Vec::new();
        content.read_to_end(&mut all).map_err(|error| error.to_string())?;
        Ok(all)
    }

    #[test]
    fn what_gzip_and_zstd_read_is_read() {
        let text = b"some text\n".repeat(10_000);
        let halves = [gzip(&text[..777]), gzip(&text[777..])];
        assert_eq!(unpacked(halves.concat()).unwrap(), text);
        let padded = [&halves[0][..], &[0; 70_000], &halves[1], &[0; 512]].concat();
        assert_eq!(unpacked(padded).unwrap(), text);
        assert_eq!(unpacked([&gzip(&text)[..], b"behind"].concat()).unwrap(), text);
        assert_eq!(unpacked([gzip(b""), gzip(&text), gzip(b"")].concat()).unwrap(), text);
        let zstd = zstd::encode_all(&text[..], 1).unwrap();
        assert_eq!(unpacked(zstd.clone()).unwrap(), text);
        let skipped = b"\x50\x2a\x4d\x18\x04\0\0\0skip";
        assert_eq!(unpacked([&skipped[..], &zstd, &zstd].concat()).unwrap(), text.repeat(2));
        let mut long = zstd::Encoder::new(Vec::new(), 1).unwrap();
        long.long_distance_matching(true).unwrap();
        long.window_log(30).unwrap();
        long.write_all(&text).unwrap();
        assert_eq!(unpacked(long.finish().unwrap()).unwrap(), text);
    }

    #[test]
    fn what_is_no_text_is_refused_by_its_name() {
        let mut tar = vec![b'x'; 1_024];
        tar[257..262].copy_from_slice(b"ustar");
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        for (bytes, what) in [
            (b"BZh91AY&SY".to_vec(), "bzip2"),
            (b"\xfd7zXZ\0\0\x04".to_vec(), "xz"),
            (b"PK\x03\x04".to_vec(), "zip"),
            (gzip(&tar), "tar archive"),
            (zstd::encode_all(&tar[..], 1).unwrap(), "tar archive"),
            (tar, "tar archive"),
            (gzip(&gzip(b"text")), "compressed twice"),
            ([&b"\xff\xfe"[..], &wide("text")].concat(), "UTF-16"),
            (wide("text without a mark\r\n"), "UTF-16"),
            (gzip(b"text")[..20].to_vec(), "truncated"),
            (b"\x1f\x8bnone at all, though it begins so".to_vec(), "damaged"),
        ] {
            let error = unpacked(bytes).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
        for text in
            [&b""[..], b"a", b"BZ", b"text\n", "\u{e9}t\u{e9}\n".as_bytes(), b"\0\0\0\0\0\0\0\0"]
        {
            assert_eq!(Compression::of(text).unwrap(), Compression::Plain);
        }
    }
}
