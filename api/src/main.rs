//! The binary `almanac`; calls the library's command line.

/// Replaces the system's allocator, which is slower at the many small allocations of a request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    almanac_api::cli::main()
}
