"""A full disk is a real one: the kernel refuses to write."""

import subprocess
import sys
from pathlib import Path

from chaos.disk import FileSizeLimit

# In a process of its own, whose mounts are its own: those of the tests stay as they are.
SCRIPT = """
import errno, os, sys
from pathlib import Path
from chaos.disk import limited_disk
folder = Path(sys.argv[1])
disk = limited_disk(folder)
(folder / "log").write_bytes(b"x" * 5_000)
disk.fill(os.getpid())
try:
    with (folder / "log").open("ab") as log:
        log.write(bytes(50_000))
    said = "nothing"
except OSError as error:
    said = errno.errorcode[error.errno]
disk.free(os.getpid())
with (folder / "log").open("ab") as log:
    log.write(b"room again")
print(type(disk).__name__, said, (folder / "log").read_bytes().endswith(b"room again"))
"""


def test_nothing_can_be_written_to_a_full_disk_and_again_once_there_is_room(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() in (["SmallFileSystem", "ENOSPC", "True"], ["FileSizeLimit", "EFBIG", "True"])
    assert list(tmp_path.iterdir()) == [] or done.stdout.startswith("FileSizeLimit")


def test_the_limit_on_file_sizes_stops_a_running_process_and_can_be_lifted(tmp_path: Path) -> None:
    script = (
        "import signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "for line in sys.stdin:\n"
        "    try:\n"
        "        with open(sys.argv[1], 'ab') as log: log.write(b'x' * 10)\n"
        "        print('written', flush=True)\n"
        "    except OSError as error: print(error.errno, flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "log")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None

        def write() -> str:
            assert writer.stdin is not None
            assert writer.stdout is not None
            writer.stdin.write("\n")
            writer.stdin.flush()
            return writer.stdout.readline().strip()

        assert write() == "written"
        FileSizeLimit().fill(writer.pid)
        assert write() == "27"
        FileSizeLimit().free(writer.pid)
        assert write() == "written"
        writer.stdin.close()
