//! The TOML of `--config`, and the settings of a run that it stands for.

use std::ffi::OsString;
use std::fs;

use super::args::Command;
use super::{config, given, program, settings};
use crate::engine::Target;
use crate::targets::in_folder;

pub fn target() -> Target {
    let words = [
        "\n",
        " = ",
        "\"",
        "'''",
        "[",
        "]",
        "{",
        "}",
        "true",
        "false",
        "1.5",
        "[table]\n",
        "1979-05-27",
        "\nrate = \"50k\"",
        "\nevents = 5",
        "\nduration = \"10s\"",
        "\nshape = \"spike\"",
        "\npeak-rate = 1e9",
        "\nperiod = \"1ns\"",
        "\npolicy = \"spill\"",
        "\nthreshold = \"1k\"",
        "\ntimely = [\"-w\", \"2\"]",
        "\nlocal-lambda = \"network=1ms,outage=1s-2s\"",
        "\nwork = \"1us,2us@3s\"",
        "\nnexmark = \"person_proportion=2\"",
        "\nskew = 0.5",
        "\nmax-record = \"4Mi\"",
        "\nsink = \"files:x?sync=none&roll_age=1s\"",
        "\nfollow = true",
        "\nbudget = \"-1/h\"",
        "\nconfig = \"other.toml\"",
        "\nhelp = true",
        "\nversion = true",
        "\"-n\", \"4294967296\"",
        "\"-p\"",
        "--",
        "\nstate = \"s\"\nout = \"o\"",
        "\nlambda = \"http://x\"",
        "\nwarm-up = \"off\"",
        "\nhedge = 2",
        "\nstage = \"words.batch=5,policy=remote\"",
        "\nstage = [\"words.linger=9s\", \"words.timeout=10s\"]",
        "\nlinger = \"10s\"",
        "\nsource = \"lines:-\"",
        "\u{b5}s",
        "99999999999h",
        "inf",
        "nan",
    ];
    let check = in_folder(|folder, bytes| {
        let path = folder.join("config.toml");
        fs::write(&path, bytes).unwrap();
        read(path.as_os_str())
    });
    Target::new("config", &words, check).cut_at_most(48)
}

fn read(path: &std::ffi::OsStr) -> String {
    let typed: Vec<OsString> =
        ["floodway", "run", "--seed", "7", "--config"].map(OsString::from).to_vec();
    let typed = [typed, vec![path.to_owned()]].concat();
    let (args, own) = match config::with_file(&program::Program::default(), typed.clone()) {
        Ok(read) => read,
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("--config "), "it does not name the option: {text}");
            return why(&text).to_owned();
        }
    };
    // What was typed comes after what stands in the file, and before what is timely's.
    assert_eq!(args[..2], typed[..2]);
    let before_timely = args.iter().position(|word| word == "--").unwrap_or(args.len());
    assert_eq!(args[before_timely - 4..before_timely], typed[2..]);
    assert!(!own.has("--seed") && !own.has("--config"), "{own:?}");
    let cli = match given::parse(&program::Program::default(), &args, own) {
        Ok(cli) => cli,
        Err(error) => {
            assert!(error.use_stderr(), "a file asks for {error}");
            return error.kind().to_string();
        }
    };
    let Command::Run(run) = cli.command else { panic!("a file names another command") };
    assert_eq!(run.events.seed, 7, "a flag does not win");
    // Nothing of this machine is looked at for what chance has put there.
    let of_file = &args[2..args.len() - 4];
    if of_file.iter().any(|word| word.to_string_lossy().contains(['/', '*', '?', '['])) {
        return "names a path".to_owned();
    }
    match settings::run(&run) {
        Ok(settings) => {
            assert!(
                !settings.options.model.epoch.is_zero()
                    && !settings.options.model.deadline.is_zero()
            );
            assert!(
                settings.timely.workers > 0 && settings.timely.process < settings.timely.processes
            );
            assert!((1..=4 << 20).contains(&settings.options.max_record));
            let stages = settings.stages.iter().map(|(_, sending)| sending);
            for sending in stages.chain([&settings.sending]) {
                assert!(sending.bridge.timeout > sending.bridge.linger);
            }
            "settings".to_owned()
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with('-'), "it does not name the option: {text}");
            match text.split(' ').next().unwrap_or_default() {
                // Timely's arguments are any words, and its answers repeat them.
                "--" => "timely's".to_owned(),
                option => format!("{option}: {}", why(&text)),
            }
        }
    }
}

/// The end of an error, without the place and the key that it names.
fn why(text: &str) -> &str {
    let last = text.lines().last().unwrap_or_default();
    let end = last.rsplit(": ").next().unwrap_or_default();
    end.split(", because there is no option").next().unwrap_or_default()
}
