"""The scripts come along when Segue is installed."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from zipfile import ZipFile

BUILD = "import sys, uv_build; uv_build.build_wheel(sys.argv[1])"
LOAD = """
import sys
from proxy.store import scripts
print(scripts.__file__, *(scripts.Script(name).sha for name in sys.argv[1:]))
"""


def test_an_installed_wheel_finds_its_scripts(tmp_path: Path):
    package = files("proxy.store").joinpath("scripts")
    names = [path.name.removesuffix(".lua") for path in package.iterdir() if path.name.endswith(".lua")]
    root = Path(__file__).resolve().parents[2]
    # The program that does it stands beside Python.
    beside = {"PATH": str(Path(sys.executable).parent)}
    subprocess.run([sys.executable, "-c", BUILD, str(tmp_path)], cwd=root, env=beside, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with ZipFile(wheel) as archive:
        archive.extractall(installed)
    loading = [sys.executable, "-P", "-c", LOAD, *names]
    loaded = subprocess.run(
        loading, cwd=tmp_path, env={"PYTHONPATH": str(installed)}, check=True, capture_output=True, text=True
    )
    place, *digests = loaded.stdout.split()
    assert place.startswith(str(installed))
    assert len(digests) == len(names) > 1
