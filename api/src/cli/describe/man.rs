//! `almanac man`: writes a man page for every command.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use clap_mangen::Man;

use super::visible::visible;
use crate::cli::{CliError, output};

/// Sections of the page of the program itself, which clap does not know.
const MORE: &str = r#".SH "EXIT STATUS"
.TP
\fB0\fR
The work is done.
.TP
\fB1\fR
The work failed. One line on standard error says why.
.TP
\fB2\fR
The call or the configuration was wrong. One line on standard error says what would be right.
.TP
\fB3\fR
The work was done and its result is not as wished, as standard output says: \fBalmanac repair\fR could not save everything,
\fBalmanac verify\fR did not confirm a recommendation.
.SH FILES
.TP
\fIalmanac.toml\fR
The configuration, read from the working directory unless \fB\-\-config\fR names another file.
.TP
\fIalmanac.duckdb\fR
The store, in the working directory unless \fB\-\-db\fR or \fIstore.path\fR names another file. Beside it are its log
(\fI.wal\fR), its record of commits (\fI.state\fR) and the tokens (\fIalmanac.tokens\fR).
.SH EXAMPLES
.TP
\fBalmanac demo\fR
Recorded telemetry, what is learned from it, and a running service.
.TP
\fBalmanac check\-config && almanac serve\fR
What the configuration does, then the service.
"#;

/// Options of `man`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Folder for the pages; it is made if it is missing
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Runs the command. `program`: all commands.
///
/// # Errors
/// A failure that names the folder or the page that cannot be written.
pub fn run(args: &Args, program: &clap::Command) -> Result<(), CliError> {
    let folder = &args.folder;
    let failed = |error| CliError::failed(format!("{} could not be made: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    let mut program = visible(program).disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    render(&program, "almanac", &mut pages)?;
    for (name, page) in &pages {
        output::write_file(&folder.join(name), |out| Ok(out.write_all(page)?))?;
    }
    let mut out = output::stdout();
    writeln!(out, "{} man pages are in {}; read one with man {}", pages.len(), folder.display(), first(folder))?;
    out.flush()?;
    Ok(())
}

/// Renders the page of a command and those of its subcommands; the name has the path: `almanac-replay-ttl.1`.
fn render(command: &clap::Command, path: &str, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), CliError> {
    let named = command.clone().name(path.to_owned()).display_name(path.to_owned());
    let mut page = Vec::new();
    let source = format!("almanac {}", env!("CARGO_PKG_VERSION"));
    // A blank date: with an empty one the source would be in its place, and a real one would differ in every build.
    Man::new(named).title(path.to_uppercase()).date(" ").source(source).manual("Almanac").render(&mut page)?;
    if path == "almanac" {
        page.extend_from_slice(MORE.as_bytes());
    }
    pages.push((format!("{path}.1"), page));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        render(inner, &format!("{path}-{}", inner.get_name()), pages)?;
    }
    Ok(())
}

/// Returns the path of the program's page as `man` takes it: a name without a slash is looked up elsewhere.
fn first(folder: &Path) -> String {
    let page = folder.join("almanac.1");
    if page.is_absolute() { page.display().to_string() } else { format!("./{}", page.display()) }
}
