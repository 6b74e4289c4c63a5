"""What in handed-in code a person should look at: ways to reach the judge or the solutions."""

import ast
from collections.abc import Iterable, Iterator

MODULES = {"ctypes", "gc", "importlib", "inspect", "linecache", "mmap", "os", "pty", "runpy", "socket", "subprocess"}
HARMLESS = {  # of these modules
    *("gc.collect", "gc.enable", "gc.disable", "importlib.util.find_spec", "inspect.isclass", "inspect.signature"),
    *("os.cpu_count", "os.environ", "os.fsync", "os.listdir", "os.makedirs", "os.path", "os.remove", "os.replace"),
    *("os.sched_getaffinity", "os.getcwd", "os.sep"),
}
ATTRIBUTES = {
    *("__builtins__", "__closure__", "__code__", "__globals__", "__import__", "__subclasses__", "__torch_function__"),
    *("_getframe", "_current_frames", "addaudithook", "cr_frame", "f_back", "f_globals", "f_locals", "gi_frame"),
    *("modules", "meta_path", "path_hooks", "setprofile", "settrace", "tb_frame"),
}
OF_EXERCISES = {"answer", "judge", "verify", "source", "known_mistakes"}
CALLS = {"__import__", "compile", "eval", "exec", "globals", "vars"}
TEXTS = ("tutorial_utils/exercises", "/proc/", "__globals__", "__subclasses__", "site-packages")


def look(nodes: Iterable[ast.stmt], exercises: Iterable[str] = ()) -> list[str]:
    r"""Return what the statements use that an exercise does not need, each thing once.

    >>> look(ast.parse("import gc\ngc.get_objects()\nmodel.eval()").body)
    ['gc.get_objects']
    """
    names = set(exercises)
    found = [thing for node in nodes for part in ast.walk(node) for thing in find_suspicious(part, names)]
    return list(dict.fromkeys(found))


def find_suspicious(node: ast.AST, exercises: set[str]) -> Iterator[str]:
    """Yield what is suspicious about one node of a syntax tree."""
    if isinstance(node, ast.Attribute):
        yield from look_at_attribute(node, exercises)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in CALLS:
            yield node.func.id
        elif node.func.id == "getattr" and len(node.args) > 1 and not isinstance(node.args[1], ast.Constant):
            yield "getattr of a computed name"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from (text for text in TEXTS if text in node.value)
    elif isinstance(node, ast.FunctionDef) and node.name in ("__eq__", "__torch_function__", "__del__"):
        yield f"a method {node.name}"
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from look_at_import(node.module, [alias.name for alias in node.names])


def look_at_attribute(node: ast.Attribute, exercises: set[str]) -> Iterator[str]:
    """Yield what is suspicious about `owner.name`."""
    whole = ast.unparse(node)
    owner = node.value
    if node.attr in ATTRIBUTES and not (node.attr == "modules" and whole != "sys.modules"):
        yield whole if node.attr == "modules" else node.attr
    elif isinstance(owner, ast.Name) and owner.id in MODULES and whole not in HARMLESS and whole != "importlib.util":
        yield whole
    elif node.attr in OF_EXERCISES and isinstance(owner, ast.Attribute) and owner.attr in exercises:
        yield f"{owner.attr}.{node.attr}"


def look_at_import(module: str, names: list[str]) -> Iterator[str]:
    """Yield what is suspicious about `from module import names`."""
    whole = [f"{module}.{name}" for name in names]
    if module.partition(".")[0] in MODULES:
        yield from (name for name in whole if name not in HARMLESS)
    elif module.startswith(("tutorial_utils.exercises.", "tutorial_utils.grading")) and ".ex0" not in module:
        yield module
