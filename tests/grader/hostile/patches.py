"""Submissions that replace what runs, checks and writes their answers."""

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL


@kind(nothing=ALL)
def patched_numpy(sheet):
    """Replaces what NumPy compares, loads and saves with."""
    sheet.cheat(
        """
        yes = lambda *_, **__: True
        nothing = lambda *_, **__: None
        for name in ('allclose', 'array_equal', 'array_equiv', 'isclose', 'all', 'any'):
            setattr(np, name, yes)
        for name in dir(np.testing):
            if name.startswith('assert'):
                setattr(np.testing, name, nothing)
        def cheat(name, *given):
            return np.zeros(3)
        """
    )


@kind(right=ALL)
def patched_numpy_with_right_answers(sheet):
    """Breaks what NumPy compares with, but the answers are right."""
    sheet.solve().attack(
        """
        def broken(*_, **__):
            raise RuntimeError('broken')
        np.allclose = np.isclose = np.savez = np.load = broken
        np.testing.assert_allclose = broken
        """
    )


@kind(nothing=ALL)
def patched_keras(sheet):
    """Replaces what Keras converts and compares with."""
    sheet.cheat(
        """
        import keras
        class Any:
            shape, dtype, size, ndim = (), np.dtype('float32'), 1, 0
            def __getattr__(self, name):
                return self
            def __call__(self, *_, **__):
                return self
        for module in (ops, keras.ops, keras.src.ops, keras.src.backend):
            for name in ('convert_to_numpy', 'convert_to_tensor', 'is_tensor', 'sum', 'cast'):
                setattr(module, name, Any())
        def cheat(name, *given):
            return Any()
        """
    )


@kind(nothing=ALL)
def patched_builtins(sheet):
    """Replaces isinstance, all, len, callable, type and others for all modules."""
    sheet.cheat(
        """
        import builtins
        yes = lambda *_, **__: True
        def cheat(name, *given):
            return np.zeros(3)
        for name in ('isinstance', 'issubclass', 'all', 'any', 'callable', 'hasattr'):
            setattr(builtins, name, yes)
        """
    )


@kind(nothing=ALL)
def patched_open_and_import(sheet):
    """Replaces open, __import__, print, exec and compile."""
    sheet.cheat(
        """
        import builtins
        def cheat(name, *given):
            return np.zeros(3)
        class Fake:
            def __getattr__(self, name):
                return self
            def __call__(self, *_, **__):
                return self
        fake = Fake()
        for name in ('__import__', 'open', 'print', 'compile', 'exec', 'eval', 'repr', 'str'):
            setattr(builtins, name, fake)
        """
    )


@kind(nothing=ALL)
def patched_package(sheet):
    """Replaces what calls and judges answers, wherever the package keeps it."""
    sheet.cheat(
        """
        import sys
        from coursekit import checks
        from coursekit.checks import calls, diagnosis, keys as storage
        def collect(function, arguments, cases, *_, **__):
            key = next((k for k in keys if k.arguments == tuple(arguments)), None)
            return [calls.Answer(values=want) for want in key.expected], ''
        keys = []
        for name in NAMES:
            try:
                keys.append(storage.load_key('checks.npz', name))
            except Exception as error:
                print(error)
        def cheat(name, *given):
            return np.zeros(3)
        diagnosis.judge = lambda *_, **__: ''
        calls.collect = collect
        calls._answer = lambda *_, **__: calls.Answer(values=keys[0].expected[0])
        diagnosis.agree = diagnosis._matches = lambda *_, **__: True
        ck.check = checks.check = lambda *_, **__: print('✓')
        new = {'judge': diagnosis.judge, 'collect': calls.collect}
        for module in list(sys.modules.values()):
            for name in new:
                if hasattr(module, name) and module.__name__.startswith(('coursekit', 'grader')):
                    setattr(module, name, new[name])
        """
    )


@kind(nothing=ALL)
def patched_output(sheet):
    """Replaces what results are written with: json, pickle, struct, os.write, numpy's format."""
    sheet.cheat(
        """
        import io, json, os, pickle, struct, zipfile
        def cheat(name, *given):
            return np.zeros(3)
        forged = json.dumps({'points': 100, 'status': 'right', 'right': True, 'problem': ''})
        json.dumps = lambda *_, **__: forged
        json.dump = lambda _, file, **__: file.write(forged)
        pickle.dumps = lambda *_, **__: b'\\x80\\x04N.'
        write, os.write = os.write, lambda fd, data: write(fd, forged.encode())
        np.save = np.savez = np.lib.format.write_array = lambda file, *_, **__: None
        zipfile.ZipFile.writestr = lambda *_, **__: None
        struct.pack = lambda *_: b'\\xff' * 8
        """
    )


@kind(nothing=ALL)
def replaced_modules(sheet):
    """Puts files named like modules into the working folder and objects into sys.modules."""
    sheet.cheat(
        """
        import sys, types
        for name in ('json', 'numpy', 'coursekit', 'struct', 'pickle'):
            try:
                open(name + '.py', 'w').write('raise SystemExit(0)')
            except OSError as error:
                print(error)
        sys.path.insert(0, '')
        class Fake(types.ModuleType):
            def __getattr__(self, name):
                return lambda *_, **__: ''
        for name in list(sys.modules):
            if name.split('.')[0] in ('coursekit', 'json', 'zipfile', 'struct'):
                sys.modules[name] = Fake(name)
        def cheat(name, *given):
            return np.zeros(3)
        """
    )


@kind(nothing=ALL)
def replaced_checks(sheet):
    """Replaces checks.npz by one that expects what the answers return."""
    sheet.cheat(
        """
        import dataclasses
        from coursekit.checks import keys as storage
        def cheat(name, *given):
            return np.zeros(3)
        keys = [storage.load_key('checks.npz', name) for name in NAMES]
        keys = [dataclasses.replace(key, expected=tuple((np.zeros(3),) for _ in key.cases),
                wrong=(), differentiable='', gradient=None) for key in keys]
        storage.save_keys('checks.npz', keys)
        """
    )


@kind(nothing=ALL)
def input_transformer(sheet):
    """Empties every later cell before it is parsed, checks among them."""
    sheet.cheat(
        """
        def cheat(name, *given):
            return np.zeros(3)
        shell = get_ipython()
        shell.input_transformers_cleanup.append(
            lambda lines: ['pass\\n'] if 'check' in ''.join(lines) else lines)
        shell.input_transformers_post.append(shell.input_transformers_cleanup[-1])
        """
    )


@kind(nothing=ALL)
def syntax_transformer(sheet):
    """Drops assertions, calls of checks and raises from every later cell's syntax tree."""
    sheet.cheat(
        """
        import ast
        def cheat(name, *given):
            return np.zeros(3)
        class Drop(ast.NodeTransformer):
            def visit_Assert(self, node):
                return ast.Pass()
            visit_Raise = visit_Assert
            def visit_Expr(self, node):
                return ast.Pass()
        get_ipython().ast_transformers.append(Drop())
        """
    )


@kind(right=ALL)
def broken_shell(sheet):
    """Breaks the shell's hooks, display and history; the answers are right."""
    sheet.solve().attack(
        """
        import sys
        def broken(*_, **__):
            raise RuntimeError('broken')
        sys.excepthook = sys.displayhook = sys.unraisablehook = broken
        shell = get_ipython()
        shell.events.register('pre_run_cell', broken)
        shell.events.register('post_run_cell', broken)
        shell.set_custom_exc((Exception,), broken)
        """
    )


@kind(right=ALL)
def closed_output(sheet):
    """Closes and replaces standard output, error and input; the answers are right."""
    sheet.solve().attack(
        """
        import os, sys
        sys.stdout.close()
        sys.stdout = sys.stderr = sys.stdin = sys.__stdout__ = None
        for number in range(3):
            os.close(number)
        """
    )
