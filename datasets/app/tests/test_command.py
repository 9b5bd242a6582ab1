"""The command lines: what ends a run is said, the run is closed once, and its status tells how it ended."""

import signal
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import asyncio, os, signal, sys
from datasets.app.command import carry_out
async def complete(): pass
async def error(): raise RuntimeError("no port is free")
async def bug(): raise KeyError("x")
async def wait():
    print("begun", flush=True)
    await asyncio.sleep(60)
def close(failed):
    os.kill(os.getpid(), signal.SIGTERM)  # a second signal
    print("closed", failed)
sys.exit(0 if carry_out("program", globals()[sys.argv[1]], close) else 1)
"""


class CarriedOut(unittest.TestCase):
    def begin(self, work):
        """Starts a program that carries out this work."""
        command = [sys.executable, "-c", PROGRAM, work]
        return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_a_complete_run_and_one_with_an_error(self):
        for work, status, out, err in (("complete", 0, "closed False\n", ""),
                                       ("error", 1, "closed True\n", "program: no port is free\n")):
            with self.subTest(work), self.begin(work) as program:
                self.assertEqual((*program.communicate(timeout=30), program.returncode), (out, err, status))

    def test_a_fault_of_the_program_is_closed_and_shown(self):
        with self.begin("bug") as program:
            out, err = program.communicate(timeout=30)
            self.assertEqual((out, program.returncode), ("closed True\n", 1))
            self.assertIn("KeyError", err)

    def test_every_ending_signal_closes_the_run(self):
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(how), self.begin("wait") as program:
                self.assertEqual(program.stdout.readline(), "begun\n")
                program.send_signal(how)
                out, err = program.communicate(timeout=30)
                self.assertEqual((out, err, program.returncode), ("closed False\n", "program: interrupted\n", 1))


if __name__ == "__main__":
    unittest.main()
