//! Reads records from lines of CSV, and writes results as lines of CSV.

use std::sync::Arc;

use csv::StringRecord;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::dataflow::Stream;

use super::parse::warn_once;
use super::{Job, Lines};
use crate::batch::{Batch, Header};
use crate::task::Code;

/// Appends records as lines, after a line with the names of their fields if it `has_header`.
pub(super) fn write<T: Serialize>(
    records: &[T],
    has_header: bool,
    out: &mut Vec<u8>,
) -> Result<(), csv::Error> {
    let mut writer =
        csv::WriterBuilder::new().has_headers(has_header).flexible(true).from_writer(out);
    records.iter().try_for_each(|record| writer.serialize(record))?;
    Ok(writer.flush()?)
}

/// Returns the line with the names of the record's fields. It is empty if the fields have no names.
pub(super) fn header<T: Serialize>(record: &T) -> Result<Vec<u8>, csv::Error> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let record = std::slice::from_ref(record);
    write(record, true, &mut with)?;
    write(record, false, &mut without)?;
    with.truncate(with.len() - without.len());
    Ok(with)
}

/// Returns the code of a line that is not CSV of the expected form, whose columns have these names.
fn invalid_csv(error: &csv::Error, names: &StringRecord) -> Code {
    let message = match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => {
            let name = err.field().and_then(|field| names.get(usize::try_from(field).ok()?));
            let of = name.map(|name| format!("{name}: ")).unwrap_or_default();
            format!("{of}{}", err.kind())
        }
        _ => error.to_string(),
    };
    Code::with_message("invalid_csv", &message)
}

/// The form of CSV. By default, the first line of each file names the columns, and commas separate the fields.
#[derive(Clone, Debug)]
pub struct Csv {
    delimiter: u8,
    /// The names of the columns. None if the first line of each file has them.
    columns: Option<StringRecord>,
}

impl Default for Csv {
    fn default() -> Self {
        Csv { delimiter: b',', columns: None }
    }
}

impl Csv {
    /// Sets the ASCII character that separates fields, such as `b';'` or `b'\t'`.
    ///
    /// # Panics
    /// If it is not ASCII.
    pub fn delimiter(self, delimiter: u8) -> Self {
        assert!(delimiter.is_ascii(), "the delimiter of CSV is an ASCII character");
        Csv { delimiter, ..self }
    }

    /// Names the columns, from left to right. Then no line is a header. Messages of Kafka need this, and so do files
    /// without a header.
    pub fn columns<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        Csv { columns: Some(names.into_iter().collect()), ..self }
    }
}

impl<'scope> Job<'scope> {
    /// Reads each line as CSV in the form of [`Csv::default`]: the first line of a file has the names of the columns,
    /// by which the fields of `T` are found. Columns that `T` lacks are ignored. A line that does not deserialize to
    /// `T` is a dead letter with the code `invalid_csv`, and so is a line with a quoted field that does not end in it.
    pub fn csv<T: DeserializeOwned + 'static>(
        &mut self,
        lines: Lines<'scope>,
    ) -> Stream<'scope, u64, Vec<T>> {
        self.csv_with(lines, Csv::default())
    }

    /// Does the same as [`Job::csv`] for CSV of another form.
    pub fn csv_with<T: DeserializeOwned + 'static>(
        &mut self,
        lines: Lines<'scope>,
        form: Csv,
    ) -> Stream<'scope, u64, Vec<T>> {
        let mut columns = Columns::new(form);
        let mut record = Record::new(columns.form.delimiter);
        let mut warn = warn_once(std::any::type_name::<T>());
        self.parse_lines(lines, move |lines, index| {
            if columns.is_header(lines, index) {
                return Ok(None);
            }
            let line = lines.strings.text(index);
            let Some(names) = columns.of(lines) else {
                let why = "there is no header: name the columns by Csv::columns";
                return Err(warn(line, Code::with_message("no_header", why)));
            };
            if !record.read(line) {
                let why = "a quote in it is not closed, or it is empty";
                return Err(warn(line, Code::with_message("invalid_csv", why)));
            }
            let read = record.fields.deserialize(Some(names)).map(Some);
            read.map_err(|error| warn(line, invalid_csv(&error, names)))
        })
    }
}

/// The names of the columns of the current batch.
struct Columns {
    form: Csv,
    /// The last header, and the names in it.
    last: Option<(Arc<Header>, StringRecord)>,
}

impl Columns {
    fn new(form: Csv) -> Self {
        Columns { form, last: None }
    }

    /// Returns the names of the columns of `lines`.
    fn of(&mut self, lines: &Batch) -> Option<&StringRecord> {
        if self.form.columns.is_some() {
            return self.form.columns.as_ref();
        }
        let header = lines.header.as_ref()?;
        if self.last.as_ref().is_none_or(|(last, _)| !Arc::ptr_eq(last, header)) {
            let mut record = Record::new(self.form.delimiter);
            // A header that is not CSV names no columns.
            record.read(header.line.trim_start_matches('\u{feff}'));
            self.last = Some((Arc::clone(header), record.fields));
        }
        self.last.as_ref().map(|(_, names)| names)
    }

    /// Whether a line of `lines` is the header itself.
    fn is_header(&self, lines: &Batch, index: usize) -> bool {
        let number = lines.header.as_ref().and_then(|header| header.number);
        self.form.columns.is_none() && number == Some(lines.numbers.get(index))
    }
}

/// The fields of a line. Its buffers are reused for the next line.
struct Record {
    delimiter: u8,
    reader: Reader,
    fields: StringRecord,
    unquoted: Vec<u8>,
    ends: Vec<usize>,
}

impl Record {
    fn new(delimiter: u8) -> Self {
        // A carriage return within a line is a character like others.
        let line_break = Terminator::Any(b'\n');
        let reader = ReaderBuilder::new().delimiter(delimiter).terminator(line_break).build();
        let fields = StringRecord::new();
        Record { delimiter, reader, fields, unquoted: Vec::new(), ends: vec![0; 16] }
    }

    /// Reads the fields of a line. Returns whether the line is one record.
    fn read(&mut self, line: &str) -> bool {
        self.fields.clear();
        // Most lines have no quotes, so that there is nothing to decode.
        if !line.is_empty() && memchr::memchr(b'"', line.as_bytes()).is_none() {
            let mut start = 0;
            for end in memchr::memchr_iter(self.delimiter, line.as_bytes()) {
                self.fields.push_field(&line[start..end]);
                start = end + 1;
            }
            self.fields.push_field(&line[start..]);
            return true;
        }
        self.read_quoted(line.as_bytes())
    }

    /// Does the same as [`Record::read`], also for a line with quotes.
    fn read_quoted(&mut self, line: &[u8]) -> bool {
        // One byte more than a line needs, because the reader reports a full buffer before the end of its input.
        self.unquoted.resize(self.unquoted.len().max(line.len() + 1), 0);
        let (mut input, mut bytes, mut fields, mut is_ended) = (line, 0, 0, false);
        let result = loop {
            let (unquoted, ends) = (&mut self.unquoted[bytes..], &mut self.ends[fields..]);
            let (result, read, written, ended) = self.reader.read_record(input, unquoted, ends);
            (input, bytes, fields) = (&input[read..], bytes + written, fields + ended);
            match result {
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * fields, 0),
                // A line break tells whether a quoted field has ended.
                ReadRecordResult::InputEmpty if !is_ended => (input, is_ended) = (b"\n", true),
                result => break result,
            }
        };
        // Quotes and delimiters are ASCII, so that what is between them is text.
        let text = std::str::from_utf8(&self.unquoted[..bytes]);
        let (ReadRecordResult::Record, Ok(text)) = (result, text) else {
            self.reader.reset();
            return false;
        };
        let mut start = 0;
        for end in &self.ends[..fields] {
            self.fields.push_field(&text[start..*end]);
            start = *end;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(record: &mut Record, line: &str) -> Option<Vec<String>> {
        let is_record = record.read(line);
        is_record.then(|| record.fields.iter().map(str::to_owned).collect())
    }

    #[test]
    fn a_line_is_one_record_whatever_came_before_it() {
        let mut record = Record::new(b',');
        for _ in 0..2 {
            let mut read = |line: &str| fields(&mut record, line).map(|fields| fields.join("|"));
            assert_eq!(read("a,b").as_deref(), Some("a|b"));
            assert_eq!(read("\"a,\"\"b\"\"\",").as_deref(), Some("a,\"b\"|"));
            assert_eq!(read("a,\"b"), None, "the quote is not closed");
            assert_eq!(read("c\",d").as_deref(), Some("c\"|d"));
            assert_eq!(read(""), None);
            assert_eq!(read("alone").as_deref(), Some("alone"));
            assert_eq!(read("\"a whole line\"").as_deref(), Some("a whole line"));
            assert_eq!(read("a\rb,c").as_deref(), Some("a\rb|c"));
            assert_eq!(read(&"x,".repeat(99)).as_deref(), Some(&*"x|".repeat(99)));
        }
        assert_eq!(fields(&mut Record::new(b';'), "a;b,c").unwrap(), ["a", "b,c"]);
    }

    #[test]
    fn lines_without_quotes_have_the_fields_that_the_crate_finds() {
        let (mut split, mut decoded) = (Record::new(b','), Record::new(b','));
        for line in ["a", "a,b", ",", ",,a", "a,", "\u{e9},\u{e9}\u{e9}", " a , b ", "a'b,c"] {
            decoded.fields.clear();
            assert!(split.read(line) && decoded.read_quoted(line.as_bytes()), "{line}");
            assert_eq!(split.fields, decoded.fields, "{line}");
        }
    }

    #[test]
    fn structs_have_a_header_and_tuples_have_none() {
        #[derive(Serialize)]
        struct Score {
            user: &'static str,
            score: Option<f64>,
        }
        let score = Score { user: "a,\"b\"", score: None };
        assert_eq!(header(&score).unwrap(), b"user,score\n");
        assert!(header(&("x", 1)).unwrap().is_empty() && header(&1).unwrap().is_empty());
        let mut lines = Vec::new();
        write(&[score], false, &mut lines).unwrap();
        assert_eq!(String::from_utf8(lines).unwrap(), "\"a,\"\"b\"\"\",\n");
    }
}
