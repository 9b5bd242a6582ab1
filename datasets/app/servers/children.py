"""The child processes of a run: started in sessions of their own, stopped in the reverse order of their start."""

import os
import signal
import subprocess


class Children:
    """Child processes by name; each writes its output to `NAME.log` in `directory`."""

    def __init__(self, directory):
        self.directory, self.children = directory, {}

    def start(self, name, command, env=None, **options):
        """Starts a program and returns its process. The kernel ends it if this process is killed; call it from the main thread."""
        command = ["setpriv", "--pdeathsig", "INT" if name == "postgres" else "TERM", *command]
        with open(self.directory / f"{name}.log", "ab") as log:
            self.children[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                   env={**os.environ, **(env or {})}, start_new_session=True, **options)
        return self.children[name]

    def stop(self, name, how=signal.SIGTERM, patience=10.0):
        """Ends a child; kills it after `patience` seconds."""
        child = self.children.pop(name, None)
        if child is None or child.poll() is not None:
            return
        child.send_signal(how)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def stop_all(self):
        """Ends all children, the newest first. PostgreSQL gets SIGINT: it ends without waiting for its clients."""
        for name in reversed(list(self.children)):
            self.stop(name, signal.SIGINT if name == "postgres" else signal.SIGTERM)

    def dead(self):
        """Returns the names of children that ended by themselves."""
        return [name for name, child in self.children.items() if child.poll() is not None]
