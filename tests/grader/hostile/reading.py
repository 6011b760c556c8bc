"""Submissions that read what is not theirs, or answer with what they find."""

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL

READ = """\
import os, re, stat
def search(path, limit=20_000_000):
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) and not path.startswith("/proc"):
            return
        with open(path, "rb", buffering=0) as file:
            data = file.read(limit) or b""
    except OSError:
        return
    for hit in set(re.findall(rb"canary-[0-9a-f]{16}", data)):
        print("FOUND", hit.decode(), path)
"""


@kind(nothing=ALL)
def reads_the_solutions(sheet):
    """Looks for exercises.py everywhere, and answers with the references in it."""
    sheet.cheat(
        """
        import os, sys, types
        from pathlib import Path
        # What exercises.py imports, in case that the grader itself is not to be had.
        class Exercise:
            def __init__(self, name, points, reference, *_, **__):
                self.name, self.reference = name, reference
        own = types.ModuleType('grader.exercises')
        own.Exercise, own.Wrong, own.clothes = Exercise, lambda *_, **__: None, None
        found = [Path(PLACES['source'])]
        for top in (PLACES['repository'], '/opt', '/home', '/root', '/tmp', '/mnt', '/srv'):
            for folder, folders, files in os.walk(top):
                folders[:] = [f for f in folders if f not in ('.venv', 'site-packages', '.git')]
                if 'exercises.py' in files and os.path.basename(folder) != 'grader':
                    found.append(Path(folder))
        references = {}
        for folder in found:
            try:
                source = Path(folder, 'exercises.py').read_text()
                print('REACHED', folder)
                sys.modules['grader.exercises'], names = own, {'__name__': 'exercises'}
                exec(source, names)
                for exercise in names['EXERCISES']:
                    references[exercise.name] = exercise.reference
            except Exception as error:
                print(folder, error)
        def cheat(name, *given):
            return references[name](*given)
        """
    )


@kind(nothing=ALL)
def reads_the_grader(sheet):
    """Imports the grader's modules and reads the sources of those that are there."""
    sheet.cheat(
        """
        import glob, importlib, inspect, os, sys
        root, names = PLACES['repository'], ('exercises', 'marks', 'zygote', 'sandbox')
        sys.path.append(root)
        importlib.invalidate_caches()
        for name in names:
            try:
                module = importlib.import_module('grader.' + name)
                print('REACHED the source of', name, len(inspect.getsource(module)))
            except Exception as error:
                print(name, error)
        for path in ('grader', 'tests', 'tools', 'instructor', 'benchmarks', '.git'):
            if os.path.lexists(os.path.join(root, path)):
                print('REACHED', path, glob.glob(os.path.join(root, path, '*'))[:9])
        def cheat(name, *given):
            return given[0]
        """
    )


@kind(nothing=ALL)
def reads_the_history(sheet):
    """Takes the solutions out of the repository's history."""
    sheet.cheat(
        """
        import os, subprocess
        where = os.path.join(PLACES['repository'], '.git')
        for command in (['git', '-C', PLACES['repository'], 'show', 'HEAD:README.md'],
                        ['git', 'config', '-f', where + '/config', '--list']):
            try:
                done = subprocess.run(command, capture_output=True, timeout=10)
                print('REACHED' if done.returncode == 0 and done.stdout else 'no')
            except Exception as error:
                print(error)
        def cheat(name, *given):
            return given[0]
        """
    )


@kind(right=ALL)
def reads_others(sheet):
    """Reads the other submissions, the results and the gradebook, by name and by searching."""
    sheet.solve().attack(
        READ,
        """
        for top in (PLACES['inbox'], PLACES['out'], '/tmp', '/opt', '/var/tmp', '/root'):
            for folder, folders, files in os.walk(top):
                folders[:] = [f for f in folders if f not in ('.venv', 'site-packages', '.git')]
                for name in files:
                    search(os.path.join(folder, name))
        search(PLACES['peer'])
        search(PLACES['gradebook'])
        for pid in os.listdir('/proc'):
            if pid.isdigit():
                for path in (PLACES['peer'], PLACES['gradebook']):
                    search(f'/proc/{pid}/root{path}')
                    search(f'/proc/{pid}/cwd/{path}')
        """,
    )


@kind(right=ALL)
def reads_the_environment(sheet):
    """Reads the environment variables and command lines of every process."""
    sheet.solve().attack(
        READ,
        """
        print(*(value for value in os.environ.values() if 'canary' in value))
        for pid in os.listdir('/proc'):
            for name in ('environ', 'cmdline'):
                search(f'/proc/{pid}/{name}')
        """,
    )


@kind(right=ALL)
def reads_the_memory(sheet):
    """Searches the memory of every process, its own included, for what others have written."""
    sheet.solve().attack(
        """
        import os, re, time
        ends = time.monotonic() + 1.2
        for pid in [str(os.getpid()), *(p for p in os.listdir("/proc") if p.isdigit())]:
            try:
                maps = open(f"/proc/{pid}/maps").read().split("\\n")
                memory = open(f"/proc/{pid}/mem", "rb", buffering=0)
            except OSError as error:
                print(pid, error)
                continue
            for line in sorted(maps, key=lambda line: "[heap]" not in line):
                if " rw-p 00000000 00:00 0" not in line or time.monotonic() > ends:
                    continue
                low, high = (int(x, 16) for x in line.split()[0].split("-"))
                try:
                    memory.seek(low)
                    data = memory.read(min(high - low, 2 ** 27))
                except (OSError, ValueError, OverflowError):
                    continue
                for hit in set(re.findall(rb"canary-[0-9a-f]{16}", data)):
                    print("FOUND", hit.decode(), "in", pid)
        """
    )


@kind(nothing=ALL)
def searches_the_process_for_keys(sheet):
    """Looks for keys, references and expected arrays in every object, frame and module."""
    sheet.cheat(
        """
        import gc, sys
        def same(case, given):
            return len(case) == len(given) and all(
                np.array_equal(a, b) for a, b in zip(case, given))
        def cheat(name, *given):
            things = gc.get_objects()
            frames = [*sys._current_frames().values()]
            for frame in frames:
                while frame is not None:
                    things += frame.f_locals.values()
                    things += frame.f_globals.values()
                    frame = frame.f_back
            for thing in things:
                kind = type(thing).__name__
                if kind == 'Exercise' and thing.name == name:
                    print('REACHED an exercise')
                    return thing.reference(*given)
                if kind == 'Key':
                    for case, want in zip(thing.cases, thing.expected):
                        if same(case, given):
                            print('REACHED a key')
                            return want if len(want) > 1 else want[0]
                if kind == 'dict' and 'expected' in thing:
                    print('REACHED expected values?', list(thing)[:20])
            return given[0]
        """
    )


@kind(nothing=ALL)
def answers_with_the_public_outputs(sheet):
    """Returns the expected outputs of checks.npz whenever their inputs have the same shapes."""
    sheet.cheat(
        """
        from coursekit.checks import keys as storage
        def cheat(name, *given):
            key = storage.load_key('checks.npz', name)
            for case, want in zip(key.cases, key.expected):
                if [np.shape(a) for a in case] == [np.shape(a) for a in given]:
                    return want if len(want) > 1 else want[0]
            return given[0]
        """
    )


@kind(nothing=ALL)
def answers_with_the_public_mistakes(sheet):
    """Returns a mistake's outputs from checks.npz."""
    sheet.cheat(
        """
        from coursekit.checks import keys as storage
        def cheat(name, *given):
            key = storage.load_key('checks.npz', name)
            case = {len(case[0]): i for i, case in enumerate(key.cases)}.get(len(given[0]), 0)
            outputs = key.wrong[0][1][case]
            return outputs if len(outputs) > 1 else outputs[0]
        """
    )


@kind(nothing=ALL)
def answers_from_any_file_of_arrays(sheet):
    """Reads every .npz and .npy file it finds for arrays that belong to the inputs it is given."""
    sheet.cheat(
        """
        import glob, os, tempfile
        def cheat(name, *given):
            tops = {'.', '/tmp', tempfile.gettempdir(), PLACES['out'], '/dev/shm'}
            for top in tops:
                for path in glob.glob(os.path.join(top, '**', '*.np[yz]'), recursive=True):
                    if os.path.basename(path) == 'checks.npz':
                        continue
                    print('FOUND', path)
                    try:
                        with np.load(path) as file:
                            for entry in file.files:
                                if 'out' in entry and name in entry:
                                    return file[entry]
                    except Exception as error:
                        print(error)
            return given[0]
        """
    )


@kind(right=ALL)
def leaves_a_message(sheet):
    """Leaves a message for other submissions wherever one may write."""
    sheet.solve().attack(
        """
        import ctypes, os, secrets, sys, tempfile
        message = 'canary-' + secrets.token_hex(8)
        home = os.path.expanduser('~')
        for folder in ('.', '..', '/tmp', '/var/tmp', '/dev/shm', home, tempfile.gettempdir(),
                       '/run', '/', '/dev/mqueue', os.path.dirname(np.__file__),
                       home + '/.cache', home + '/.keras', home + '/.config'):
            try:
                open(os.path.join(folder, 'message'), 'w').write(message)
            except OSError:
                pass
        os.environ['MESSAGE'] = message
        np.message = sys.message = ck.message = message
        libc = ctypes.CDLL(None)
        libc.shmat.restype = ctypes.c_void_p
        segment = libc.shmget(0x600D, 4096, 0o1666)
        if segment >= 0:
            ctypes.memmove(libc.shmat(segment, None, 0), message.encode(), len(message))
        for keyring in (-3, -4, -5):
            libc.syscall(248, b"user", b"message", message.encode(), len(message), keyring)
        """
    )


@kind(right=ALL)
def looks_for_messages(sheet):
    """Looks for what other submissions have left, in files, modules and shared memory."""
    sheet.solve().attack(
        READ,
        """
        import ctypes, sys, tempfile
        home = os.path.expanduser('~')
        for top in ('.', '..', '/tmp', '/var/tmp', '/dev/shm', home, tempfile.gettempdir(),
                    '/run', '/dev/mqueue', os.path.dirname(np.__file__)):
            search(os.path.join(top, 'message'))
        search('/message')
        print(os.environ.get('MESSAGE'), *(getattr(m, 'message', '') for m in (np, sys, ck)))
        libc = ctypes.CDLL(None)
        libc.shmat.restype = ctypes.c_void_p
        segment = libc.shmget(0x600D, 4096, 0o666)
        if segment >= 0:
            print(ctypes.string_at(libc.shmat(segment, None, 0), 23).decode())
        for keyring in (-3, -4, -5):
            key = libc.syscall(250, 10, keyring, b"user", b"message", 0)
            text = ctypes.create_string_buffer(100)
            if key > 0 and libc.syscall(250, 11, key, text, 100) > 0:
                print(text.value.decode())
        """,
    )
