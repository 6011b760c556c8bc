"""Submissions that use the network."""

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL


@kind(right=ALL)
def network_outside(sheet):
    """Connects to addresses outside, asks a name server, and uses the host's other families."""
    sheet.solve().attack(
        """
        import socket
        for address in (('1.1.1.1', 80), ('8.8.8.8', 53), ('169.254.169.254', 80)):
            try:
                socket.create_connection(address, timeout=0.3)
                print('REACHED', address)
            except OSError as error:
                print(error)
        try:
            print('REACHED', socket.gethostbyname('localhost.localdomain.example.com'))
        except OSError as error:
            print(error)
        try:
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.sendto(b'x', ('8.8.8.8', 53))
            print('REACHED by UDP')
        except OSError as error:
            print(error)
        for host in (1, 2):
            try:
                other = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
                other.settimeout(0.3)
                other.connect((host, 22))
                print('REACHED by VSOCK')
            except OSError as error:
                print(error)
        """
    )


@kind(right=ALL)
def network_of_this_machine(sheet):
    """Connects to a listener on this machine, by loopback and the machine's own addresses."""
    sheet.solve().attack(
        """
        import socket
        for address in ('127.0.0.1', '::1', 'localhost', '0.0.0.0', '::ffff:127.0.0.1'):
            try:
                line = socket.create_connection((address, PLACES['port']), timeout=0.3)
                line.sendall(b'hello')
                print('REACHED', address)
            except OSError as error:
                print(error)
        """
    )


@kind(right=ALL)
def unix_sockets(sheet):
    """Connects to sockets with a path and in the abstract namespace, and to all it can list."""
    sheet.solve().attack(
        """
        import os, socket, stat
        names = [PLACES['socket'], '\\0' + PLACES['abstract'], '/run/docker.sock',
                 '/run/dbus/system_bus_socket', '/run/systemd/private']
        try:
            names += ['\\0' + line.split()[-1][1:] for line in open('/proc/net/unix')
                      if '@' in line]
        except OSError as error:
            print(error)
        for name in names:
            for type in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                try:
                    line = socket.socket(socket.AF_UNIX, type)
                    line.settimeout(0.3)
                    line.connect(name)
                    line.sendall(b'hello')
                    print('REACHED', repr(name))
                except OSError as error:
                    print(error)
        """
    )
