//! Decompresses gzip and zstd data.

use std::io::{self, BufRead, Cursor, Read};
use std::ops::Range;

use flate2::bufread::GzDecoder;

use super::compression::{Compression, FIRST, MARK, compressed_twice};

/// Returns the content of a file.
pub(super) fn decompress(
    file: impl Read + Send + 'static,
    compression: Compression,
) -> Box<dyn Read + Send> {
    match compression {
        Compression::Plain => Box::new(file),
        Compression::Gzip | Compression::Zstd => {
            Box::new(Content::new(Members::new(file), compression))
        }
    }
}

/// The gzip members and zstd frames of a file, in any order. Zeros may follow each of them, since tapes and blocks pad
/// files with zeros. Other bytes are an error, because they may be input.
enum Members<R> {
    Between(Compressed<R>),
    Gzip(Box<GzDecoder<Compressed<R>>>),
    Zstd(Box<zstd::Decoder<'static, Compressed<R>>>),
    End,
}

impl<R: Read> Members<R> {
    fn new(file: R) -> Self {
        Members::Between(Compressed { file, buffer: vec![0; 64 << 10], ahead: 0..0, taken: 0 })
    }

    /// Begins the next member of `compressed`.
    fn begin(mut compressed: Compressed<R>) -> io::Result<Self> {
        Ok(match Compression::of_mark(compressed.peek()?) {
            Some(Compression::Zstd) => {
                let mut decoder = zstd::Decoder::with_buffer(compressed)?.single_frame();
                // The largest window that a frame can need, as with `zstd --long=31`.
                decoder.window_log_max(31)?;
                Members::Zstd(Box::new(decoder))
            }
            Some(_) => Members::Gzip(Box::new(GzDecoder::new(compressed))),
            None => {
                let why = format!(
                    "its compressed data ends at byte {}, and the bytes that follow are neither gzip nor zstd: truncate \
                     the file there, or compress them too",
                    compressed.taken
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
                Members::Between(compressed) => {
                    compressed.skip_zeros()?;
                    // This may fail because a read would block, so it comes before `self` is taken apart.
                    let is_end = compressed.peek()?.is_empty();
                    let compressed = match std::mem::replace(self, Members::End) {
                        Members::Between(compressed) if !is_end => compressed,
                        _ => return Ok(0),
                    };
                    *self = Members::begin(compressed)?;
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

/// Compressed bytes, the next ones of which can be looked at before they are taken.
struct Compressed<R> {
    file: R,
    buffer: Vec<u8>,
    /// The range of the buffer that is not taken.
    ahead: Range<usize>,
    /// The number of bytes of the file that were taken.
    taken: u64,
}

impl<R: Read> Compressed<R> {
    /// Returns the next bytes, as many as a mark has. There are fewer at the file's end.
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

impl<R: Read> BufRead for Compressed<R> {
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

impl<R: Read> Read for Compressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// Decompressed content. It is refused if it is not text. Truncated and damaged data are told apart.
struct Content<R> {
    members: R,
    /// The compression of the file.
    outer: Compression,
    /// The first bytes of the content, which say whether it is text.
    first: Cursor<Vec<u8>>,
    is_known: bool,
}

impl<R: Read> Content<R> {
    fn new(members: R, outer: Compression) -> Self {
        Content { members, outer, first: Cursor::default(), is_known: false }
    }

    fn decompress(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.members.read(buffer).map_err(|error| match error.kind() {
            // An error of the operating system is not one of the data.
            _ if error.raw_os_error().is_some() => error,
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
            let read = self.decompress(&mut more)?;
            let first = self.first.get_mut();
            first.extend_from_slice(&more[..read]);
            if read == 0 || first.len() >= FIRST {
                self.is_known = true;
                match Compression::of(first) {
                    Ok(Compression::Plain) => {}
                    Ok(_) => return Err(compressed_twice(self.outer)),
                    Err(refused) => return Err(refused.error_inside(self.outer)),
                }
            }
        }
        match self.first.read(buffer)? {
            0 => self.decompress(buffer),
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

    fn decompressed(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let compression = Compression::of(&bytes).map_err(|refused| refused.error().to_string())?;
        let mut content = decompress(Cursor::new(bytes), compression);
        let mut all = Vec::new();
        content.read_to_end(&mut all).map_err(|error| error.to_string())?;
        Ok(all)
    }

    #[test]
    fn what_gzip_and_zstd_read_is_read() {
        let text = b"some text\n".repeat(10_000);
        let halves = [gzip(&text[..777]), gzip(&text[777..])];
        assert_eq!(decompressed(halves.concat()).unwrap(), text);
        let padded = [&halves[0][..], &[0; 70_000], &halves[1], &[0; 512]].concat();
        assert_eq!(decompressed(padded).unwrap(), text);
        assert_eq!(decompressed([gzip(b""), gzip(&text), gzip(b"")].concat()).unwrap(), text);
        let zstd = zstd::encode_all(&text[..], 1).unwrap();
        assert_eq!(decompressed(zstd.clone()).unwrap(), text);
        let skipped = b"\x50\x2a\x4d\x18\x04\0\0\0skip";
        assert_eq!(decompressed([&skipped[..], &zstd, &zstd].concat()).unwrap(), text.repeat(2));
        let mut long = zstd::Encoder::new(Vec::new(), 1).unwrap();
        long.long_distance_matching(true).unwrap();
        long.window_log(30).unwrap();
        long.write_all(&text).unwrap();
        assert_eq!(decompressed(long.finish().unwrap()).unwrap(), text);
        let mixed =
            [&gzip(&text)[..], &zstd, &skipped[..], &[0; 9], &gzip(&text), &zstd, &[0; 70_000]];
        assert_eq!(decompressed(mixed.concat()).unwrap(), text.repeat(4));
    }

    #[test]
    fn bytes_that_follow_compressed_data_are_an_error_that_says_where() {
        for compressed in [gzip(b"text\n"), zstd::encode_all(&b"text\n"[..], 1).unwrap()] {
            for (zeros, junk) in [(0, &b"junk"[..]), (0, b"(a note)"), (0, b"P"), (5, b"Pa")] {
                let error =
                    decompressed([&compressed, &vec![0; zeros][..], junk].concat()).unwrap_err();
                let end = format!("ends at byte {}, and", compressed.len() + zeros);
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
        let mut content = decompress(Slow(bytes, false), Compression::Gzip);
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
            let error = decompressed(bytes).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
        for text in
            [&b""[..], b"a", b"BZ", b"text\n", "\u{e9}t\u{e9}\n".as_bytes(), b"\0\0\0\0\0\0\0\0"]
        {
            assert_eq!(Compression::of(text), Ok(Compression::Plain));
        }
    }

    #[test]
    fn the_error_for_content_that_is_not_text_has_a_command_that_reads_it() {
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        let wide = [&b"\xff\xfe"[..], b"t\0e\0"].concat();
        for (bytes, command) in [
            (b"BZh91AY&SY".to_vec(), ": bzip2 -dc FILE | floodway"),
            (gzip(b"BZh91AY&SY"), ": gzip -dc FILE > INNER; bzip2 -dc INNER | floodway"),
            (zstd(&wide), "-dc FILE > INNER; iconv -f UTF-16 -t UTF-8 INNER | floodway"),
            (gzip(&zstd(b"text")), ": gzip -dc FILE | floodway"),
            (zstd(&gzip(b"text")), ": zstd --long=31 -dc FILE | floodway"),
        ] {
            let error = decompressed(bytes).unwrap_err();
            assert!(error.contains(command), "{error}");
        }
    }

    /// A file that fails after its first bytes.
    struct Failing(Cursor<Vec<u8>>);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(rustix::io::Errno::IO.into()),
                read => Ok(read),
            }
        }
    }

    #[test]
    fn a_read_error_is_not_damaged_data() {
        let text: Vec<u8> =
            (0..100_000u32).flat_map(|number| number.to_string().into_bytes()).collect();
        for (compressed, compression) in [
            (gzip(&text), Compression::Gzip),
            (zstd::encode_all(&text[..], 1).unwrap(), Compression::Zstd),
        ] {
            let half = compressed[..compressed.len() / 2].to_vec();
            let mut content = decompress(Failing(Cursor::new(half)), compression);
            let error = content.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()), "{error}");
        }
    }
}
