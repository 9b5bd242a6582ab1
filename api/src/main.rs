//! The binary `almanac`; everything is in the library.

/// Frees the many small allocations of a request faster than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    almanac_api::cli::main()
}
