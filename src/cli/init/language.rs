//! The languages of functions: the files of each, and what the files that all have say of it.

use crate::cli::args::Language;

/// Includes a file of `templates`.
macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("templates/", $path))
    };
}

/// A file of a function's folder: its path there, and its text with placeholders such as `{{name}}`.
pub(super) type File = (&'static str, &'static str);

/// The files that are the same for all languages but for placeholders.
pub(super) const COMMON: [File; 4] = [
    ("README.md", template!("common/README.md")),
    ("template.yaml", template!("common/template.yaml")),
    ("main.tf", template!("common/main.tf")),
    (".gitignore", template!("common/gitignore")),
];

/// A language: its files, and the values of the placeholders that depend on it.
pub(super) struct Template {
    /// The handler, which the user edits, is the first one.
    pub files: &'static [File],
    pub values: &'static [(&'static str, &'static str)],
    /// The commands that the user runs next, in the folder. The last one starts a server.
    pub next: [&'static str; 3],
}

impl Language {
    pub(super) fn template(self) -> &'static Template {
        match self {
            Language::Python => &PYTHON,
            Language::Java => &JAVA,
            Language::Node => &NODE,
            Language::Rust => &RUST,
        }
    }
}

/// The command that serves the function, and one that sends it a record.
const HOST: &str = "floodway lambda --function . --bind 127.0.0.1:9000";
const POST: &str = r#"curl -d '{"v":1,"task":"{{name}}","records":["tea,3,150"]}' http://127.0.0.1:9000/   # in another terminal"#;

/// Terraform's package of the folder `src`.
const ARCHIVE_OF_SRC: &str = r#"
data "archive_file" "function" {
  type        = "zip"
  source_dir  = "${path.module}/src"
  excludes    = ["__pycache__"]
  output_path = "${path.module}/dist/function.zip"
}
"#;
const ARCHIVE_OF_BOOTSTRAP: &str = r#"
data "archive_file" "function" {
  type             = "zip"
  source_file      = "${path.module}/target/lambda/bootstrap/bootstrap"
  output_file_mode = "0755"
  output_path      = "${path.module}/dist/function.zip"
}
"#;
const ARCHIVE_PROVIDER: &str = r#"
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.4, < 3.0"
    }"#;
const ARCHIVE_FILE: &str = "data.archive_file.function.output_path";
const ARCHIVE_HASH: &str = "data.archive_file.function.output_base64sha256";

static PYTHON: Template = Template {
    files: &[
        ("src/handler.py", template!("python/handler.py")),
        ("src/bad_record.py", template!("python/bad_record.py")),
        ("src/wire.py", template!("python/wire.py")),
        ("test_handler.py", template!("python/test_handler.py")),
        ("function.toml", template!("python/function.toml")),
    ],
    values: &[
        ("language", "Python"),
        ("handler_file", "src/handler.py"),
        ("test_file", "`test_handler.py`"),
        ("wire_file", "src/wire.py"),
        ("bad_file", "src/bad_record.py"),
        ("bad_how", "`raise BadRecord(\"no_price\")`"),
        (
            "dependencies",
            "All of `src` is deployed. `pip install --target src PACKAGE` adds a package.",
        ),
        ("test", "python3 -m unittest"),
        ("needs", "This needs Python 3.9 or newer."),
        (
            "host",
            "pip install awslambdaric     # once: AWS's runtime client\n    floodway lambda --function .",
        ),
        ("package", "python3 -m unittest"),
        ("aws_runtime", "python3.13"),
        ("handler", "wire.lambda_handler"),
        ("sam_code", "src/"),
        ("sam_snapstart", ""),
        ("terraform_provider", ARCHIVE_PROVIDER),
        ("terraform_package", ARCHIVE_OF_SRC),
        ("terraform_file", ARCHIVE_FILE),
        ("terraform_hash", ARCHIVE_HASH),
        ("terraform_snapstart", ""),
    ],
    next: ["python3 -m unittest", HOST, POST],
};

static NODE: Template = Template {
    files: &[
        ("src/handler.mjs", template!("node/handler.mjs")),
        ("src/bad_record.mjs", template!("node/bad_record.mjs")),
        ("src/wire.mjs", template!("node/wire.mjs")),
        ("handler.test.mjs", template!("node/handler.test.mjs")),
        ("function.toml", template!("node/function.toml")),
    ],
    values: &[
        ("language", "Node.js"),
        ("handler_file", "src/handler.mjs"),
        ("test_file", "`handler.test.mjs`"),
        ("wire_file", "src/wire.mjs"),
        ("bad_file", "src/bad_record.mjs"),
        ("bad_how", "`throw new BadRecord(\"no_price\")`"),
        (
            "dependencies",
            "All of `src` is deployed. `npm install --prefix src PACKAGE` adds a package. `answer` may be `async`.",
        ),
        ("test", "node --test"),
        ("needs", "This needs Node.js 18 or newer, and no package."),
        ("host", "floodway lambda --function ."),
        ("package", "node --test"),
        ("aws_runtime", "nodejs22.x"),
        ("handler", "wire.handler"),
        ("sam_code", "src/"),
        ("sam_snapstart", ""),
        ("terraform_provider", ARCHIVE_PROVIDER),
        ("terraform_package", ARCHIVE_OF_SRC),
        ("terraform_file", ARCHIVE_FILE),
        ("terraform_hash", ARCHIVE_HASH),
        ("terraform_snapstart", ""),
    ],
    next: ["node --test", HOST, POST],
};

static JAVA: Template = Template {
    files: &[
        ("src/main/java/function/Answer.java", template!("java/Answer.java")),
        ("src/main/java/function/BadRecord.java", template!("java/BadRecord.java")),
        ("src/main/java/function/Wire.java", template!("java/Wire.java")),
        ("src/test/java/function/AnswerTest.java", template!("java/AnswerTest.java")),
        ("pom.xml", template!("java/pom.xml")),
        ("function.toml", template!("java/function.toml")),
    ],
    values: &[
        ("language", "Java"),
        ("handler_file", "src/main/java/function/Answer.java"),
        ("test_file", "`src/test/java/function/AnswerTest.java`"),
        ("wire_file", "src/main/java/function/Wire.java"),
        ("bad_file", "src/main/java/function/BadRecord.java"),
        ("bad_how", "`throw new BadRecord(\"no_price\")`"),
        (
            "dependencies",
            "A record is a `JsonNode`: the text of a line is `record.textValue()`. The result is anything that Jackson\n\
             writes as JSON: a `String`, a number, a `Map`, a `JsonNode`. `pom.xml` has the dependencies.",
        ),
        ("test", "mvn -q test"),
        ("needs", "This needs a JDK 17 or newer and Maven."),
        ("host", "mvn -q package\n    floodway lambda --function ."),
        ("package", "mvn -q package"),
        ("aws_runtime", "java21"),
        ("handler", "function.Wire::handle"),
        ("sam_code", "target/function.jar"),
        ("sam_snapstart", "\n      SnapStart:\n        ApplyOn: PublishedVersions"),
        ("terraform_provider", ""),
        ("terraform_package", ""),
        ("terraform_file", "\"${path.module}/target/function.jar\""),
        ("terraform_hash", "filebase64sha256(\"${path.module}/target/function.jar\")"),
        ("terraform_snapstart", "\n  snap_start {\n    apply_on = \"PublishedVersions\"\n  }\n"),
    ],
    next: ["mvn -q package", HOST, POST],
};

static RUST: Template = Template {
    files: &[
        ("src/handler.rs", template!("rust/handler.rs")),
        ("src/wire.rs", template!("rust/wire.rs")),
        ("src/main.rs", template!("rust/main.rs")),
        // A folder with a Cargo.toml is a package of its own, which Cargo would leave out of Floodway's.
        ("Cargo.toml", template!("rust/Cargo.toml.template")),
        ("function.toml", template!("rust/function.toml")),
    ],
    values: &[
        ("language", "Rust"),
        ("handler_file", "src/handler.rs"),
        ("test_file", "`tests` in `src/handler.rs`"),
        ("wire_file", "src/wire.rs"),
        ("bad_file", "src/main.rs"),
        ("bad_how", "`return Err(BadRecord(\"no_price\").into())`"),
        (
            "dependencies",
            "A record and a result are a `serde_json::Value`. `Cargo.toml` has the dependencies.",
        ),
        ("test", "cargo test"),
        ("needs", "This needs Rust 1.89 or newer."),
        ("host", "cargo build --release\n    floodway lambda --function ."),
        ("package", "cargo lambda build --release --arm64     # pip install cargo-lambda"),
        ("aws_runtime", "provided.al2023"),
        ("handler", "bootstrap"),
        ("sam_code", "target/lambda/bootstrap/"),
        ("sam_snapstart", ""),
        ("terraform_provider", ARCHIVE_PROVIDER),
        ("terraform_package", ARCHIVE_OF_BOOTSTRAP),
        ("terraform_file", ARCHIVE_FILE),
        ("terraform_hash", ARCHIVE_HASH),
        ("terraform_snapstart", ""),
    ],
    next: ["cargo test", "cargo build --release", HOST],
};
