//! Which folders are functions, what is wrong with others, and starts that take too long.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use floodway::emulator::{Choices, Model, Package, Server};
use serde_json::json;

use super::{Told, folder, in_async, parts, post, raw};
use crate::common::{Place, error_of};

/// A place with these files.
fn place(files: &[(&str, &str)]) -> Place {
    let place = Place::new();
    for (name, text) in files {
        fs::create_dir_all(place.path(name).parent().unwrap()).unwrap();
        fs::write(place.path(name), text).unwrap();
    }
    place
}

/// How the command refuses a folder.
fn refused(place: &Place, args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut all = vec!["lambda", "--function", "."];
    all.extend(args);
    let output = place.floodway(&all).envs(variables.iter().copied()).output().unwrap();
    assert_eq!(output.stdout, b"", "no URL");
    (output.status.code(), error_of(&output))
}

#[test]
fn a_folder_without_a_function_is_refused_with_what_would_be_right() {
    const PY: (&str, &str) = ("lambda_function.py", "def lambda_handler(e, c): pass\n");
    let cases: [(&[(&str, &str)], &[&str], &str); 17] = [
        (&[], &[], "looked for function.toml, an executable bootstrap, lambda_function.py"),
        (&[("bootstrap", "not executable")], &[], "looked for"),
        (&[("a.jar", ""), ("b.jar", "")], &[], "looked for"),
        (&[("a.jar", "")], &[], "--handler, such as package.Class::method"),
        (&[("a.jar", "")], &["--handler", "Echo::handle"], "Maven Central"),
        (&[PY], &["--handler", "other.handler"], "other.py is not there"),
        (&[PY], &["--handler", "lambda_function"], "expected module.function"),
        (&[("function.toml", "runtime = \"ruby\"")], &[], "line 1: unknown variant `ruby`"),
        (
            &[("function.toml", "runtime = \"python\"\nhandle = \"a.b\"")],
            &[],
            "unknown field `handle`",
        ),
        (
            &[("function.toml", "runtime = \"python\"\nruntime_jars = \".\"")],
            &[],
            "runtime_jars: is for",
        ),
        (
            &[("function.toml", "runtime = \"python\"\nhandler = \"a.b\"\ntimeout = \"20m\"")],
            &[],
            "timeout: expected more than 0 and at most 900s",
        ),
        (&[("function.toml", "runtime = \"node\"")], &[], "--handler, such as index.handler"),
        (&[("function.toml", "runtime = \"node\"\nhandler = \"a.b\"")], &[], "a.mjs is not there"),
        (
            &[("function.toml", "runtime = \"node\"\nhandler = \"a\"")],
            &[],
            "expected module.function",
        ),
        (
            &[("function.toml", "runtime = \"node\"\nhandler = \"a.b\"\ntask = \"A b\"")],
            &[],
            "task: expected 1 to 64 lower-case letters, digits, `_` and `-`",
        ),
        (
            &[(
                "function.toml",
                "runtime = \"provided\"\ncode = \"out/bootstrap\"\nbuild = \"make it\"",
            )],
            &[],
            "out/bootstrap is not there: build it with `make it`",
        ),
        (
            &[("function.toml", "runtime = \"provided\"\ncode = \"b\""), ("b", "")],
            &[],
            "b is not executable: chmod +x it",
        ),
    ];
    for (files, args, what) in cases {
        let (code, error) = refused(&place(files), args, &[]);
        assert_eq!(code, Some(2), "{files:?}: {error}");
        assert!(error.contains(what) && error.contains("--function"), "{files:?}: {error}");
    }
    let nowhere = place(&[]);
    let output = nowhere.run(&["lambda", "--function", "nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    let output = nowhere.run(&["lambda", "--handler", "a.b"]);
    assert!(error_of(&output).contains("is for --function DIR"));
    let (code, error) = refused(&place(&[PY]), &["--local-lambda", "cold_start=1s"], &[]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("cold_start=1s"), "{error}");
    let (code, error) = refused(&place(&[PY]), &["--timeout", "0s"], &[]);
    assert!(code == Some(2) && error.contains("at most 900s"), "{error}");
}

#[test]
fn a_missing_interpreter_is_named_with_how_to_get_it() {
    let python = place(&[("lambda_function.py", "def lambda_handler(e, c): pass\n")]);
    for (variables, what) in [
        (
            &[("FLOODWAY_PYTHON", "/nowhere/python")][..],
            "/nowhere/python (FLOODWAY_PYTHON) cannot be run",
        ),
        (&[("FLOODWAY_PYTHON", "/nowhere/python")], "Set FLOODWAY_PYTHON to the path of a Python"),
        (&[("PATH", "/nowhere")], "Install Python 3"),
        // Empty is as not set.
        (
            &[("FLOODWAY_PYTHON", ""), ("PATH", "/nowhere")],
            "python3 (the one on PATH) cannot be run",
        ),
        // Something that runs, and is no Python.
        (&[("FLOODWAY_PYTHON", "/bin/false")], "/bin/false -m pip install awslambdaric"),
    ] {
        let (code, error) = refused(&python, &[], variables);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(what), "{error}");
    }
    // A path is meant from here, and not from the function's folder.
    let place = place(&[("code/lambda_function.py", "def lambda_handler(e, c): pass\n")]);
    std::os::unix::fs::symlink("/bin/false", place.path("no-python")).unwrap();
    let mut command = place.floodway(&["lambda", "--function", "code"]);
    let output = command.env("FLOODWAY_PYTHON", "./no-python").output().unwrap();
    let error = error_of(&output);
    assert!(error.contains("no-python -m pip install awslambdaric"), "{error}");
    let Some(jars) = parts::java_client() else { return };
    let toml = format!("runtime = \"java\"\nhandler = \"A::b\"\nruntime_jars = {jars:?}");
    let java = self::place(&[("function.toml", &toml)]);
    for (variables, what) in [
        (&[("JAVA_HOME", "/nowhere")][..], "/nowhere/bin/java (JAVA_HOME) cannot be run"),
        (&[("JAVA_HOME", ""), ("PATH", "/nowhere")], "Install a Java runtime"),
    ] {
        let (code, error) = refused(&java, &[], variables);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(what), "{error}");
    }
}

/// The program `raw`, whose start is as `start` says and has so much time.
fn starting(place: &Place, raw: &Path, start: &str, init_timeout: Duration) -> Package {
    let toml = format!(
        "runtime = \"provided\"\ncode = {raw:?}\ntimeout = \"90s\"\nenvironment = {{ START = {start:?} }}",
    );
    fs::write(place.path("function.toml"), toml).unwrap();
    let init_timeout = Some(init_timeout);
    Package::open(&place.path(""), &Choices { init_timeout, ..Choices::default() }).unwrap()
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// A model without a network, whose processes exit soon.
fn model() -> Model {
    let mut model = Model::default();
    model.set("network", "0ms").unwrap();
    model.set("idle", "50ms").unwrap();
    model
}

#[test]
fn a_start_that_times_out_is_an_error_before_the_url_is_printed() {
    let Some(raw) = raw() else { return };
    let place = Place::new();
    let package = starting(&place, &raw, "sleep", Duration::from_secs(1));
    let error = Server::running(listener(), model(), package).err().unwrap();
    assert!(error.to_string().contains("no event within 1s"), "{error}");
}

/// What is told by a function whose second process takes too long to start. `None` if another one did too.
fn told_after_a_timeout(raw: &Path, init_timeout: Duration) -> Option<Told> {
    let place = Place::new();
    // The first process, which is there to see that it starts, does; the next one takes too long.
    let marker = place.path("marker");
    fs::write(&marker, "").unwrap();
    let start = format!("once:{}=sleep", marker.display());
    let package = starting(&place, raw, &start, init_timeout);
    let lambda = match Server::running(listener(), model(), package) {
        Ok(lambda) => lambda,
        Err(error) if error.to_string().contains("no event within") => return None,
        Err(error) => panic!("{error}"),
    };
    let url = format!("{}2015-03-31/functions/floodway/invocations", lambda.url());
    let tell = json!({ "do": "tell" });
    let first = in_async(async |client| post(&client, &url, &tell).await);
    super::gone(first.body["pid"].as_i64()?);
    fs::remove_file(&marker).unwrap();
    let told = in_async(async |client| post(&client, &url, &tell).await);
    (told.log.matches("Phase: init\tStatus: timeout").count() == 1).then_some(told)
}

#[test]
fn a_start_that_times_out_is_retried_within_the_invocation() {
    let Some(raw) = raw() else { return };
    // The others start in time, which on a busy machine is longer.
    let times = [2, 8, 30].map(Duration::from_secs);
    let told = times.into_iter().find_map(|time| told_after_a_timeout(&raw, time)).unwrap();
    assert_eq!((told.status, &told.error), (200, &None), "{}", told.body);
    assert!(told.log.contains("Init Duration: "), "{}", told.log);
}

#[test]
fn a_start_that_fails_is_retried_once_within_the_invocation() {
    let Some(raw) = raw() else { return };
    for (how, kind) in [("exit", "Runtime.ExitError"), ("error", "Own.Reason")] {
        let place = Place::new();
        let marker = place.path("marker");
        // The process that is there to see that the function starts, does.
        fs::write(&marker, "").unwrap();
        let start = format!("once:{}={how}", marker.display());
        let package = starting(&place, &raw, &start, Duration::from_secs(60));
        let lambda = Server::running(listener(), model(), package).unwrap();
        let url = format!("{}2015-03-31/functions/floodway/invocations", lambda.url());
        let tell = json!({ "do": "tell" });
        let first = in_async(async |client| post(&client, &url, &tell).await);
        super::gone(first.pid());
        // The next one fails, and the one after it starts.
        fs::remove_file(&marker).unwrap();
        let told = in_async(async |client| post(&client, &url, &tell).await);
        assert_eq!((told.status, &told.error), (200, &None), "{}", told.body);
        let report = format!("Phase: init\tStatus: error\tError Type: {kind}");
        assert!(told.log.contains(&report), "{}", told.log);
        assert!(!told.log.contains("Phase: invoke"), "{}", told.log);
    }
}

#[test]
fn function_toml_applies_and_a_flag_overrides_it() {
    let place = Place::new();
    let root = folder("raw").canonicalize().unwrap();
    let toml = format!("runtime = \"provided\"\ncode = {root:?}\ntimeout = \"7s\"");
    fs::write(place.path("function.toml"), toml).unwrap();
    let open = |choices: &Choices| Package::open(&place.path(""), choices).unwrap();
    assert_eq!(open(&Choices::default()).timeout(), Duration::from_secs(7));
    let timeout = Some(Duration::from_secs(3));
    assert_eq!(open(&Choices { timeout, ..Choices::default() }).timeout(), Duration::from_secs(3));
    let bare = Package::open(&root, &Choices::default()).unwrap();
    assert_eq!(bare.timeout(), Duration::from_secs(30), "the default");
    assert_eq!(bare.task(), "raw", "the folder's name");
    let named = format!("runtime = \"provided\"\ncode = {root:?}\ntask = \"word-count_2\"");
    fs::write(place.path("function.toml"), named).unwrap();
    assert_eq!(open(&Choices::default()).task(), "word-count_2");
}

#[test]
fn a_program_that_cannot_be_executed_is_named() {
    let place = place(&[("bootstrap", "#!/nowhere/interpreter\n")]);
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(place.path("bootstrap"), executable).unwrap();
    let (code, error) = refused(&place, &[], &[]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("bootstrap cannot be run"), "{error}");
}

#[test]
fn a_file_in_place_of_a_folder_is_refused_with_its_folder() {
    let place = place(&[("mine/lambda_function.py", "")]);
    let output = place.run(&["lambda", "--function", "mine/lambda_function.py"]);
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    let folder = place.path("mine").canonicalize().unwrap();
    let ends = format!("is a file: give the folder that it is in, {}", folder.display());
    assert!(error.trim_end().ends_with(&ends), "{error}");
}
