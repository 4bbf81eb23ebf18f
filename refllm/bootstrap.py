"""Makes the virtual environment that everything runs in: the first thing `make chat` and `make test` do.

Uses only the standard library and old syntax, so that a Python too old for refllm can still say so. Installs what
`requirements.lock` names, every file checked against its hash, with uv inside the environment (pip where uv cannot be
had), then refllm itself in place. A stamp remembers what was installed: the second call returns at once. It does not
touch anything outside the environment's folder.

    python3 refllm/bootstrap.py                    make or update .venv
    python3 refllm/bootstrap.py --newest           the same in .venv-next with the newest Python found, 3.12 or later
"""

import glob
import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST = (3, 11)
CANDIDATES = ("python3.14", "python3.13", "python3.12", "python3.11")
NEXT_CANDIDATES = ("python3.13", "python3.12")
UV = "uv==0.13.8"


class SetupError(Exception):
    """The environment cannot be made; the text is the one line a user sees."""


def main(argv):
    newest = "--newest" in argv
    folder = os.path.join(ROOT, ".venv-next" if newest else ".venv")
    try:
        python = find_newest_python() if newest else find_python()
        if python is None:
            print("no Python 3.12 or 3.13 on this machine: nothing to do")
            return 0
        make_environment(python, folder)
    except SetupError as error:
        sys.stderr.write("setup: %s\n" % error)
        return 2
    except subprocess.CalledProcessError as error:
        shown = " ".join(os.path.basename(word) for word in error.cmd)
        sys.stderr.write("setup: '%s' failed; its own message is above\n" % shown)
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("setup: interrupted; run the same command again to go on\n")
        return 130
    return 0


def find_python():
    """This Python if it is new enough, else another one on the machine."""
    if sys.version_info[:2] >= OLDEST:
        return sys.executable
    found = first_that_runs(CANDIDATES)
    if found:
        return found
    shown = "%d.%d (%s)" % (sys.version_info[:2] + (sys.executable,))
    raise SetupError("Python %d.%d or newer is needed; this is " % OLDEST + shown)


def find_newest_python():
    return first_that_runs(NEXT_CANDIDATES)


def first_that_runs(names):
    """The first of these programs that is installed and starts (a pyenv shim can be there and not start)."""
    for name in names:
        version = name[len("python") :]
        pyenv = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/%s.*/bin/%s" % (version, name))))
        for path in filter(None, [shutil.which(name)] + pyenv[::-1]):
            with open(os.devnull, "w") as devnull:
                if subprocess.call([path, "-c", ""], stdout=devnull, stderr=devnull) == 0:
                    return path
    return None


def make_environment(python, folder):
    """Bring `folder` to the state that the lock describes; return at once when it is there already."""
    stamp = os.path.join(folder, "refllm-stamp")
    wanted = fingerprint(python)
    if os.path.exists(stamp) and read(stamp) == wanted:
        return
    inside = os.path.join(folder, "bin", "python")
    if version_of(inside) != version_of(python):
        print("setup: making %s with %s" % (os.path.basename(folder), python))
        create(python, folder)
    install(inside)
    with open(stamp, "w") as file:
        file.write(wanted)


def create(python, folder):
    shutil.rmtree(folder, ignore_errors=True)
    inside = os.path.join(folder, "bin", "python")
    if subprocess.call([python, "-c", "import venv"], stderr=subprocess.DEVNULL) != 0:
        raise SetupError("%s has no venv module; on Debian or Ubuntu: apt install python3-venv" % python)
    if subprocess.call([python, "-c", "import ensurepip"], stderr=subprocess.DEVNULL) == 0:
        subprocess.check_call([python, "-m", "venv", folder])
    elif subprocess.call([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
        # Debian without python3-venv: the environment starts empty and the outer pip fills it.
        subprocess.check_call([python, "-m", "venv", "--without-pip", folder])
        subprocess.check_call([python, "-m", "pip", "--python", inside, "install", "-q", "pip"])
    else:
        raise SetupError("%s has neither ensurepip nor pip; on Debian or Ubuntu: apt install python3-venv" % python)


def install(inside):
    """Install the lock and then refllm itself, in place."""
    quiet_pip = [inside, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    print("setup: installing what requirements.lock names (once; some 250 MB to download)")
    has_uv = subprocess.call(quiet_pip + [UV], stderr=subprocess.DEVNULL) == 0
    uv_pip = [inside, "-m", "uv", "pip", "install", "-q", "--compile-bytecode", "--python", inside]
    installer = uv_pip if has_uv else quiet_pip  # pip compiles by itself: starting is three times as fast
    subprocess.check_call(installer + ["--require-hashes", "-r", os.path.join(ROOT, "requirements.lock")])
    subprocess.check_call(installer + ["--no-deps", "--no-build-isolation", "-e", ROOT])


def fingerprint(python):
    """Changes when the lock, the project's description or the Python does."""
    digest = hashlib.sha256(version_of(python))
    for name in ("requirements.lock", "pyproject.toml", os.path.join("refllm", "bootstrap.py")):
        digest.update(read(os.path.join(ROOT, name)).encode("utf-8"))
    return digest.hexdigest()


def version_of(python):
    """What that Python calls its version, build included; nothing where it does not start."""
    try:
        return subprocess.check_output([python, "-c", "import sys; print(sys.version)"])
    except (OSError, subprocess.CalledProcessError):
        return b""


def read(path):
    with open(path, "rb") as file:
        return file.read().decode("utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
