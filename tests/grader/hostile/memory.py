"""Submissions that fill memory and disk."""

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL, FIRST, REST


@kind(right=ALL)
def memory_of_arrays(sheet):
    """A cell fills the memory with arrays."""
    sheet.solve().attack("""
        hoard = []
        while True:
            hoard.append(np.ones(2 ** 24))
        """)


@kind(nothing=FIRST, right=REST)
def memory_of_arrays_in_an_answer(sheet):
    """An answer fills the memory with arrays."""
    sheet.solve().attack_in(
        sheet.first,
        """
        hoard = []
        while True:
            hoard.append(np.ones(2 ** 24))
        """,
    )


@kind(nothing=FIRST, right=REST)
def memory_of_small_objects(sheet):
    """An answer fills the memory with small objects, and goes on when there is no more."""
    sheet.solve().attack_in(
        sheet.first,
        """
        hoard = []
        while True:
            try:
                hoard.append([bytearray(1000) for _ in range(1000)])
            except MemoryError:
                pass
        """,
    )


@kind(right=ALL)
def memory_of_children(sheet):
    """Many children hold as much memory each as one process may."""
    sheet.solve().attack(
        """
        import os, time
        for _ in range(40):
            try:
                child = os.fork()
            except OSError:
                break
            if child == 0:
                hoard = []
                try:
                    while True:
                        hoard.append(np.ones(2 ** 22))
                except MemoryError:
                    pass
                time.sleep(1000)
        time.sleep(1000)
        """
    )


@kind(right=ALL)
def memory_mapped(sheet):
    """Anonymous memory maps, shared and private, every page touched."""
    sheet.solve().attack(
        """
        import mmap
        hoard = []
        while True:
            for flags in (mmap.MAP_SHARED, mmap.MAP_PRIVATE):
                try:
                    area = mmap.mmap(-1, 2 ** 27, flags | mmap.MAP_ANONYMOUS)
                except OSError:
                    continue
                area[::4096] = b'x' * (2 ** 27 // 4096)
                hoard.append(area)
        """
    )


@kind(right=ALL)
def memory_in_files_without_a_name(sheet):
    """Files in memory that no limit on a process's own memory counts."""
    sheet.solve().attack(
        """
        import os
        hoard = []
        while True:
            hoard.append(os.memfd_create('hoard'))
            for _ in range(64):
                os.write(hoard[-1], b'x' * 2 ** 20)
        """
    )


@kind(own_doing=ALL)
def memory_in_pipes_and_sockets(sheet):
    """Buffers in the kernel: pipes and sockets that are filled and never read."""
    sheet.solve().attack(
        """
        import os, socket
        hoard = []
        while True:
            a, b = socket.socketpair()
            try:
                a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 ** 24)
            except OSError:
                pass
            a.setblocking(False)
            hoard += [a, b]
            try:
                while True:
                    a.send(b'x' * 2 ** 16)
            except BlockingIOError:
                pass
        """
    )


@kind(right=ALL)
def memory_given_back(sheet):
    """Shared memory that the process says it needs no more, but that stays for who maps it."""
    sheet.solve().attack(
        """
        import mmap, os
        hoard = []
        for source in (-1, os.open('/dev/zero', os.O_RDWR)):
            for i in range(9):
                area = mmap.mmap(source, 2 ** 27)
                area[::4096] = b'x' * (2 ** 27 // 4096)
                area.madvise(mmap.MADV_DONTNEED)
                hoard.append(area)
            print("REACHED 1.2 GB of memory that nobody counts")
        """
    )


@kind(right=ALL)
def memory_in_access_lists(sheet):
    """Empty folders with the longest access lists, which are the kernel's memory."""
    sheet.solve().attack(
        """
        import os, struct
        entries = [(1, 2 ** 32 - 1), *[(2, 1000)] * 8180, *((n, 2 ** 32 - 1) for n in (4, 16, 32))]
        rights = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', n, 7, i) for n, i in entries)
        for i in range(1_000):
            os.mkdir(f'/tmp/{i}')
            for which in ('access', 'default'):
                os.setxattr(f'/tmp/{i}', f'system.posix_acl_{which}', rights)
        print("REACHED 130 MB of access lists")
        """
    )


@kind(right=ALL)
def memory_in_locks(sheet):
    """Locks of every other byte of many files, which are the kernel's memory."""
    sheet.solve().attack(
        """
        import fcntl
        hoard = [open(f'/tmp/{i}', 'w') for i in range(200)]
        for start in range(0, 200, 2):
            for file in hoard:
                fcntl.lockf(file, fcntl.LOCK_EX, 1, start)
        print("REACHED 20,000 locks")
        """
    )


@kind(right=ALL)
def memory_in_segments(sheet):
    """Shared memory segments that are filled and belong to no process."""
    sheet.solve().attack(
        """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.shmat.restype = ctypes.c_void_p
        size = 2 ** 26
        for i in range(48):
            segment = libc.shmget(0, ctypes.c_size_t(size), 0o1600)
            if segment < 0:
                break
            address = libc.shmat(segment, None, 0)
            ctypes.memset(address, 1, size)
            libc.shmdt(ctypes.c_void_p(address))
            time_to_see = sum(range(10 ** 6))
        else:
            print("REACHED 3 GB of memory in segments")
        """
    )


@kind(right=ALL)
def memory_in_flight(sheet):
    """Files in memory that are sent through a socket and never received: no process has them."""
    sheet.solve().attack(
        """
        import os, socket
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        a.setblocking(False)
        pairs = []
        for i in range(75):
            file = os.memfd_create("hoard")
            for _ in range(40):
                os.write(file, b"x" * 2 ** 20)
            try:
                socket.send_fds(a, [b"x"], [file])
            except BlockingIOError:
                pairs.append((a, b))
                a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
                a.setblocking(False)
                socket.send_fds(a, [b"x"], [file])
            os.close(file)
        print("REACHED 3 GB of memory in flight")
        """
    )


@kind(own_doing=ALL)
def memory_in_page_tables(sheet):
    """Maps of nothing, read at one place in every 2 MB, so that only the tables take memory."""
    sheet.solve().attack(
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        size = 2 ** 40
        area = libc.mmap(None, size, 1, 0x4022, -1, 0)
        libc.madvise(ctypes.c_void_p(area), ctypes.c_size_t(size), 15)
        pages = np.lib.stride_tricks.as_strided(
            np.ctypeslib.as_array((ctypes.c_uint8 * 1).from_address(area)), (2 ** 19,), (2 ** 21,))
        for part in np.split(pages, 64):
            part.sum()
        print("REACHED 2 GB of page tables")
        """
    )


FILL = """\
import os, tempfile
written = 0
for folder in FOLDERS:
    try:
        with open(os.path.join(folder, "fill"), "wb") as file:
            while written < 2 ** 34:
                written += file.write(b"x" * 2 ** 20)
    except OSError as error:
        print(folder, error)
"""


@kind(right=ALL)
def fills_shared_memory(sheet):
    """Fills /dev/shm."""
    sheet.solve().attack("FOLDERS = ['/dev/shm', '/run', '/run/user']", FILL)


@kind(right=ALL)
def fills_the_temporary_folder(sheet):
    """Fills every folder it may write in."""
    sheet.solve().attack(
        """
        import os, tempfile
        FOLDERS = [".", "/tmp", "/var/tmp", tempfile.gettempdir(), os.path.expanduser("~")]
        """,
        FILL,
    )


@kind(right=ALL)
def many_files(sheet):
    """Makes small files and folders within folders without end."""
    sheet.solve().attack(
        """
        import os, tempfile
        os.chdir(tempfile.mkdtemp())
        for i in range(3_000_000):
            open(f'{i}', 'w').close()
            if i % 100 == 0:
                os.mkdir('d')
                os.chdir('d')
        """
    )


@kind(own_doing=ALL)
def takes_all_descriptors(sheet):
    """Opens files until no more may be opened."""
    sheet.solve().attack("""
        hoard = []
        while True:
            hoard.append(open('/dev/null'))
        """)
