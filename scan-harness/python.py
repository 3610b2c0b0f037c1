"""Runs a skill's Python under observation: python.py MARK PHASE FILE [ARG...]. What it notes goes to stderr as MARK + JSON."""
import importlib.util, inspect, json, os, runpy, sys, threading, time

mark, phase, path, *arguments = sys.argv[1:]
folder = os.getcwd()
seen = set()
err = os.dup(2)


def note(what, **more):
    key = json.dumps([what, more], sort_keys=True, default=str)
    if key in seen or len(seen) > 500:
        return
    seen.add(key)
    frame, place = sys._getframe(2), None
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(folder) or name == path:
            place = [os.path.relpath(name, folder), frame.f_lineno]
            break
        frame = frame.f_back
    try:
        os.write(err, (mark + json.dumps({"what": what, "place": place, **more}, default=str)[:2000] + "\n").encode())
    except (OSError, ValueError):
        pass


def watch(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        where = os.fsdecode(args[0])
        if not where.startswith(sys.prefix) and not where.endswith((".py", ".pyc")):
            note("open", path=os.path.abspath(where))
    elif event == "socket.connect" and isinstance(args[1], tuple):
        note("connect", host=str(args[1][0]), port=args[1][1])
    elif event == "socket.getaddrinfo":
        note("resolve", host=str(args[0]))
    elif event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
        note("spawn", program=str(args[0]))
    elif event == "os.system":
        note("spawn", program=os.fsdecode(args[0]))
    elif event == "exec":
        code = args[0]
        if getattr(code, "co_filename", "") in ("<string>", "<unknown>", "") and inside():
            note("exec")
    elif event == "marshal.loads" and inside():
        note("unmarshal")
    elif event == "ctypes.dlopen":
        note("dlopen", path=str(args[0]))


def inside():
    frame = sys._getframe(2)
    return frame is not None and frame.f_code.co_filename.startswith(folder)


def short(seconds):
    if seconds > 5:
        note("sleep", seconds=float(seconds))
    really(min(float(seconds), 0.02))


really, time.sleep = time.sleep, short
waits = threading.Event.wait
threading.Event.wait = lambda self, timeout=None: waits(self, timeout if timeout is None else min(timeout, 1))


def sample(parameter, function):
    hint, name = str(parameter.annotation).lower(), parameter.name.lower()
    if "int" in hint or name in ("n", "count", "limit", "size", "port", "num", "k"):
        return 1
    if "float" in hint:
        return 1.0
    if "bool" in hint:
        return True
    if "list" in hint or name in ("items", "rows", "values", "data_list", "args", "argv"):
        return ["1", "2"]
    if "dict" in hint or name in ("config", "options", "params", "headers", "payload", "context"):
        return {"key": "value"}
    if "bytes" in hint:
        return b"sample"
    if "url" in name:
        return "https://example.com/"
    if "path" in name or "file" in name or name in ("src", "source", "input", "dst", "dest", "output"):
        return os.path.join(os.environ.get("TMPDIR", "/tmp"), "sample.txt")
    if "cmd" in name or "command" in name:
        return "true"
    return "sample"


def call(function):
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    values = [
        sample(p, function)
        for p in signature.parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    names = {
        p.name: sample(p, function)
        for p in signature.parameters.values()
        if p.kind == p.KEYWORD_ONLY and p.default is p.empty
    }
    try:
        result = function(*values, **names)
        if inspect.iscoroutine(result):
            import asyncio

            asyncio.run(result)
        elif inspect.isgenerator(result):
            for _, _ in zip(range(100), result):
                pass
    except BaseException as error:  # a function that refuses its sample has been exercised
        if isinstance(error, (ModuleNotFoundError, MemoryError, KeyboardInterrupt)):
            raise
    note("called", function=function.__qualname__)


open(os.path.join(os.environ.get("TMPDIR", "/tmp"), "sample.txt"), "w").write("a,b\n1,2\n")
sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
sys.path.insert(0, folder)
sys.addaudithook(watch)
sys.argv = [path, *arguments]
try:
    if phase == "main":
        runpy.run_path(path, run_name="__main__")
    else:
        name = os.path.splitext(os.path.basename(path))[0].replace("-", "_")
        spec = importlib.util.spec_from_file_location(name, os.path.abspath(path))
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(name, module)
        spec.loader.exec_module(module)
        if phase == "function":
            for name, member in list(vars(module).items()):
                if getattr(member, "__module__", None) != module.__name__:
                    continue
                if inspect.isfunction(member):
                    call(member)
                elif inspect.isclass(member):
                    try:
                        made = member(*[sample(p, member) for p in inspect.signature(member).parameters.values()
                                        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)])
                    except Exception:
                        continue
                    for method, function in inspect.getmembers(made, inspect.ismethod):
                        if not method.startswith("__"):
                            call(function)
except ModuleNotFoundError as error:
    note("missing", module=str(error.name))
    raise
