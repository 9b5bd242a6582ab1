//! Leaves hidden commands out of the tree of commands. Called by `completions` and `man`.

/// Returns the command with its visible subcommands only, at every level.
pub(super) fn visible(command: &clap::Command) -> clap::Command {
    let mut copy = command.clone();
    let hidden = |inner: &&clap::Command| !inner.is_hide_set();
    let inner: Vec<clap::Command> = command.get_subcommands().filter(hidden).map(visible).collect();
    if command.get_subcommands().count() > 0 {
        // Clap cannot remove a subcommand, so that the command is built anew from its parts.
        copy = clap::Command::new(command.get_name().to_owned())
            .args(command.get_arguments())
            .groups(command.get_groups())
            .subcommands(inner)
            .subcommand_required(command.is_subcommand_required_set())
            .arg_required_else_help(command.is_arg_required_else_help_set());
        if let Some(about) = command.get_about() {
            copy = copy.about(about.clone());
        }
        if let Some(version) = command.get_version() {
            copy = copy.version(version.to_owned());
        }
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hidden_commands_are_left_out() {
        let all = crate::cli::command();
        let shown = visible(&all);
        let names = |command: &clap::Command| -> Vec<String> {
            command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect()
        };
        let mut expected = names(&all);
        expected.retain(|name| name != "worker");
        assert_eq!(names(&shown), expected);
        let replay = |command: &clap::Command| names(command.find_subcommand("replay").unwrap());
        assert_eq!(replay(&shown), replay(&all));
        assert_eq!(shown.get_about(), all.get_about());
        assert!(shown.get_arguments().any(|argument| argument.get_id() == "log"));
    }
}
