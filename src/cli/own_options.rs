//! Whether the options of a user's program have names of their own.

use clap::{Arg, Command};

/// Returns what is wrong if an option of `own` has a name that an option of a command in `commands` has. `own` is a
/// command with the program's options only.
///
/// A program is refused for each of these commands, whichever is called: clap panics at a name that is taken twice, and
/// only in a debug build.
pub(super) fn clash<'a>(
    own: &Command,
    commands: impl IntoIterator<Item = &'a Command>,
) -> Option<String> {
    commands.into_iter().find_map(|command| {
        let taken = own.get_arguments().find_map(|option| {
            let taken = names(option).into_iter().find(|name| has(command, name));
            taken.map(|name| format!("an option of the program has the name {name}"))
        });
        let group = || {
            let name = own
                .get_groups()
                .find(|group| command.get_groups().any(|other| other.get_id() == group.get_id()))?;
            Some(format!("the program's options have the name {} in its code", name.get_id()))
        };
        let taken = taken.or_else(group)?;
        Some(format!("{taken}, as options of {} do: give it another one", command.get_name()))
    })
}

/// Whether an option of `command` has this name. clap adds those of the help itself.
fn has(command: &Command, name: &str) -> bool {
    ["--help", "-h", "`help`"].contains(&name)
        || command.get_arguments().any(|option| names(option).iter().any(|other| other == name))
}

/// Returns all names of an option: those that are typed, and the one that it has in the code.
fn names(option: &Arg) -> Vec<String> {
    let long = option.get_long().into_iter().chain(option.get_all_aliases().unwrap_or_default());
    let short = option.get_short().into_iter();
    let short = short.chain(option.get_all_short_aliases().unwrap_or_default());
    let typed = long.map(|name| format!("--{name}")).chain(short.map(|name| format!("-{name}")));
    typed.chain([format!("`{}`", option.get_id())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(id: &'static str) -> Arg {
        Arg::new(id)
    }

    #[test]
    fn each_kind_of_name_that_a_command_has_is_refused() {
        let compare = Command::new("compare")
            .arg(option("rounds").long("rounds").alias("times").short('r'))
            .group(clap::ArgGroup::new("CompareArgs"));
        let clash = |own: Command| clash(&own, [&compare]);
        for (name, own) in [
            ("--rounds", option("own").long("rounds")),
            ("--times", option("own").long("times")),
            ("--rounds", option("own").long("other").alias("rounds")),
            ("-r", option("own").short('r')),
            ("-h", option("own").short('h')),
            ("`rounds`", option("rounds").long("own")),
        ] {
            let why = clash(Command::new("program").arg(own)).unwrap();
            assert!(why.contains(&format!("the name {name}, as options of compare do")), "{why}");
        }
        let group = Command::new("program").group(clap::ArgGroup::new("CompareArgs"));
        assert!(clash(group).unwrap().contains("CompareArgs in its code"));
        let own = Command::new("program").arg(option("own").long("own").short('o'));
        assert_eq!(clash(own), None);
    }
}
