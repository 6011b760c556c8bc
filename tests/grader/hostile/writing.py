"""Submissions that write, delete and mount what is not theirs."""

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL

WRITE = """\
import os, shutil, stat
def spoil(path):
    try:
        os.chmod(path, 0o777)
    except OSError:
        pass
    for act in (lambda: open(path, "ab").write(b"spoiled"), lambda: os.unlink(path),
                lambda: os.rename(path, path + ".gone"), lambda: shutil.rmtree(path)):
        try:
            act()
            print("REACHED", path)
        except OSError:
            pass
def plant(path, text):
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "w").write(text)
    except OSError as error:
        print(path, error)
"""


@kind(right=ALL)
def writes_the_gradebook(sheet):
    """Writes, renames and deletes gradebook, results and the other submissions."""
    sheet.solve().attack(
        WRITE,
        """
        for top in (PLACES['gradebook'], PLACES['inbox'], PLACES['out']):
            for folder, _, files in os.walk(top):
                for name in files:
                    spoil(os.path.join(folder, name))
        spoil(PLACES['gradebook'])
        spoil(PLACES['peer'])
        plant(PLACES['inbox'] + '/planted.ipynb', '{}')
        plant(PLACES['canary'] + '/planted', 'x')
        for folder in (PLACES['out'] + '/results', PLACES['out']):
            plant(folder + '/planted.json', '{}')
            plant(folder + '/grades.csv', 'planted,20')
        """,
    )


@kind(right=ALL)
def writes_the_package(sheet):
    """Replaces the package and the source, so that later submissions would be graded by it."""
    sheet.solve().attack(
        WRITE,
        """
        for name in ('coursekit/checks/calls.py', 'coursekit/checks/diagnosis.py', 'README.md',
                     'grader/marks.py', 'grader/zygote.py', 'grader/exercises.py'):
            for path in (os.path.join(PLACES['repository'], name),
                         os.path.join(os.path.dirname(os.path.dirname(ck.__file__)), name)):
                if os.path.exists(path):
                    spoil(path)
        plant(PLACES['source'] + '/planted.py', 'x')
        plant(os.path.dirname(ck.__file__) + '/planted.py', 'x')
        plant(PLACES['repository'] + '/grader/planted.py', 'x')
        """,
    )


@kind(right=ALL)
def writes_what_python_starts_with(sheet):
    """Plants code that Python, Keras, IPython and shells run at their start."""
    sheet.solve().attack(
        WRITE,
        """
        import site, sys
        home = os.path.expanduser('~')
        evil = f"open({PLACES['canary']!r} + '/started', 'w')"
        for folder in {*site.getsitepackages(), site.getusersitepackages(), '.', *sys.path}:
            for name in ('sitecustomize.py', 'usercustomize.py', 'json.py', 'keras.py'):
                plant(os.path.join(folder or '.', name), evil)
            plant(os.path.join(folder or '.', 'planted.pth'), 'import os; ' + evil)
        plant(home + '/.ipython/profile_default/startup/00.py', evil)
        plant(home + '/.bashrc', 'touch ' + PLACES['canary'] + '/started')
        plant(home + '/.keras/keras.json', '{"backend": "jax", "floatx": "float64"}')
        plant(home + '/.config/matplotlib/matplotlibrc', 'backend: evil')
        plant('/etc/ld.so.preload', '/tmp/evil.so')
        plant('/etc/cron.d/evil', '* * * * * root true')
        """,
    )


@kind(right=ALL)
def deletes_everything(sheet):
    """Deletes every file it may, its working folder included."""
    sheet.solve().attack(
        """
        import os, shutil, tempfile
        for folder in ('.', '..', tempfile.gettempdir(), '/tmp', '/dev/shm', '/var', '/opt'):
            shutil.rmtree(folder, ignore_errors=True)
        os.chdir('/')
        """
    )


@kind(right=ALL)
def mounts(sheet):
    """Makes itself root in a namespace of its own and mounts over what is read-only."""
    sheet.solve().attack(
        WRITE,
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        if os.fork() == 0:
            try:
                print(libc.unshare(0x10000000 | 0x00020000), ctypes.get_errno())
                for top in ('/', PLACES['repository'], os.path.dirname(ck.__file__)):
                    print(libc.mount(None, top.encode(), None, 32 | 4096, None))
                libc.umount2(os.path.dirname(ck.__file__).encode(), 2)
                libc.mount(b'proc', b'/proc', b'proc', 0, None)
                spoil(os.path.join(os.path.dirname(ck.__file__), 'checks/diagnosis.py'))
                spoil(PLACES['gradebook'])
            finally:
                os._exit(0)
        os.wait()
        """,
    )


@kind(right=ALL)
def devices(sheet):
    """Makes device files and opens the machine's disks, memory and terminals."""
    sheet.solve().attack(
        """
        import fcntl, os, termios
        for name, number in (('sda', (8, 0)), ('vda', (254, 0)), ('vda', (253, 0)), ('m', (1, 1))):
            try:
                os.mknod('/tmp/' + name, 0o60600, os.makedev(*number))
                open('/tmp/' + name, 'rb').read(512)
                print('REACHED', name)
            except OSError as error:
                print(error)
        for path in ('/dev/vda', '/dev/sda', '/dev/mem', '/dev/kmsg', '/proc/kcore', '/dev/kvm',
                     '/proc/sysrq-trigger', '/sys/kernel/uevent_helper'):
            try:
                open(path, 'r+b').read(1)
                print('REACHED', path)
            except OSError as error:
                print(error)
        for number in range(3):
            try:
                for byte in b'echo REACHED\\n':
                    fcntl.ioctl(number, termios.TIOCSTI, bytes([byte]))
                print('REACHED the terminal')
            except OSError as error:
                print(error)
        """
    )
