//! How bytes are packed: the first ones say, whatever the file's name.

use std::fs::File;
use std::io::{self, BufRead, Cursor, Read};
use std::ops::Range;
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

/// Bytes of the mark that a zstd frame begins with; gzip's has two.
const MARK: usize = 4;

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
        if let Some(packed) = Compression::of_packed(first) {
            return Ok(packed);
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

    /// What the mark of a gzip member or a zstd frame says; none if it is neither.
    fn of_packed(first: &[u8]) -> Option<Compression> {
        match first {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            // A frame, or one that is to be skipped, as parallel compressors write it first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Compression::Zstd)
            }
            _ => None,
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
) -> Box<dyn Read + Send> {
    match compression {
        Compression::Plain => Box::new(file),
        Compression::Gzip | Compression::Zstd => Box::new(Content::new(Members::new(file))),
    }
}

/// The gzip members and zstd frames of a file, in any order. Zeros may follow each of them, as tapes and blocks pad
/// files. Anything else is an error: it may be input.
enum Members<R> {
    Between(Packed<R>),
    Gzip(Box<GzDecoder<Packed<R>>>),
    Zstd(Box<zstd::Decoder<'static, Packed<R>>>),
    End,
}

impl<R: Read> Members<R> {
    fn new(file: R) -> Self {
        Members::Between(Packed { file, buffer: vec![0; 64 << 10], ahead: 0..0, taken: 0 })
    }

    /// Begins the next member of `packed`.
    fn begin(mut packed: Packed<R>) -> io::Result<Self> {
        Ok(match Compression::of_packed(packed.peek()?) {
            Some(Compression::Zstd) => {
                let mut decoder = zstd::Decoder::with_buffer(packed)?.single_frame();
                // As `zstd --long=31`: the most that a frame may want.
                decoder.window_log_max(31)?;
                Members::Zstd(Box::new(decoder))
            }
            Some(_) => Members::Gzip(Box::new(GzDecoder::new(packed))),
            None => {
                let why = format!(
                    "its compressed data ends at byte {}, and what follows is neither gzip nor zstd: cut the file \
                     there, or append what follows compressed",
                    packed.taken
                );
                return Err(io::Error::new(io::ErrorKind::Unsupported, why));
            }
        })
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Members::Between(packed) => {
                    packed.skip_zeros()?;
                    // A read that would block keeps its place: it comes before `self` is taken apart.
                    let is_end = packed.peek()?.is_empty();
                    let packed = match std::mem::replace(self, Members::End) {
                        Members::Between(packed) if !is_end => packed,
                        _ => return Ok(0),
                    };
                    *self = Members::begin(packed)?;
                    continue;
                }
                Members::Gzip(member) => member.read(buffer)?,
                Members::Zstd(frame) => frame.read(buffer)?,
                Members::End => return Ok(0),
            };
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            *self = match std::mem::replace(self, Members::End) {
                Members::Gzip(member) => Members::Between(member.into_inner()),
                Members::Zstd(frame) => Members::Between(frame.finish()),
                other => other,
            };
        }
    }
}

/// Packed bytes, of which the first ones can be looked at.
struct Packed<R> {
    file: R,
    buffer: Vec<u8>,
    /// The bytes of the buffer that are not taken.
    ahead: Range<usize>,
    /// Bytes of the file that were taken.
    taken: u64,
}

impl<R: Read> Packed<R> {
    /// As many bytes as a member's mark has; fewer at the file's end.
    fn peek(&mut self) -> io::Result<&[u8]> {
        while self.ahead.len() < MARK {
            self.buffer.copy_within(self.ahead.clone(), 0);
            self.ahead = 0..self.ahead.len();
            match self.file.read(&mut self.buffer[self.ahead.end..])? {
                0 => break,
                read => self.ahead.end += read,
            }
        }
        let end = self.ahead.end.min(self.ahead.start + MARK);
        Ok(&self.buffer[self.ahead.start..end])
    }

    fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.fill_buf()?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let is_end = zeros < bytes.len() || bytes.is_empty();
            self.consume(zeros);
            if is_end {
                return Ok(());
            }
        }
    }
}

impl<R: Read> BufRead for Packed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.ahead.is_empty() {
            self.ahead = 0..0;
            self.ahead.end = self.file.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.ahead.clone()])
    }

    fn consume(&mut self, bytes: usize) {
        self.ahead.start += bytes;
        self.taken += bytes as u64;
    }
}

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
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
            io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::Unsupported => {
                error
            }
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
        let mut content = unpack(Cursor::new(bytes), compression);
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
        let mixed =
            [&gzip(&text)[..], &zstd, &skipped[..], &[0; 9], &gzip(&text), &zstd, &[0; 70_000]];
        assert_eq!(unpacked(mixed.concat()).unwrap(), text.repeat(4));
    }

    #[test]
    fn bytes_that_follow_compressed_data_are_an_error_that_says_where() {
        for packed in [gzip(b"text\n"), zstd::encode_all(&b"text\n"[..], 1).unwrap()] {
            for (zeros, junk) in [(0, &b"junk"[..]), (0, b"(a note)"), (0, b"P"), (5, b"Pa")] {
                let error = unpacked([&packed, &vec![0; zeros][..], junk].concat()).unwrap_err();
                let end = format!("ends at byte {}, and", packed.len() + zeros);
                assert!(error.contains(&end) && !error.contains("damaged"), "{error}");
            }
        }
    }

    /// Gives one byte at a time, and has none every second time.
    struct Slow(Vec<u8>, bool);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 && !self.0.is_empty() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let read = self.0.len().min(1);
            buffer[..read].copy_from_slice(&self.0[..read]);
            self.0.drain(..read);
            Ok(read)
        }
    }

    #[test]
    fn a_pipe_that_has_nothing_at_times_is_read_whole() {
        let zstd = zstd::encode_all(&b"two\n"[..], 1).unwrap();
        let bytes = [&gzip(b"one\n")[..], &[0; 3], &zstd, &zstd, &gzip(b"three\n")].concat();
        let mut content = unpack(Slow(bytes, false), Compression::Gzip);
        let (mut all, mut block) = (Vec::new(), [0; 100]);
        loop {
            match content.read(&mut block) {
                Ok(0) => break,
                Ok(read) => all.extend_from_slice(&block[..read]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}"),
            }
        }
        assert_eq!(all, b"one\ntwo\ntwo\nthree\n");
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
