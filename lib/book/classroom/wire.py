"""Plain data over a socket: a JSON header, then the raw bytes of its arrays; nothing that arrives is executed.

Standard library and numpy; torch only where a tensor is exchanged.  The fence holds a copy of this file.
"""

import json
import math
import socket
import struct
import sys
import time

import numpy as np

HEAD = struct.Struct("<II")  # bytes of the header, bytes of the arrays
HEADER, BODY = 4 * 2**20, 64 * 2**20  # at most
DEPTH, AXES = 16, 8
DTYPES = ("bool", "uint8", *(f"int{n}" for n in (8, 16, 32, 64)), "float16", "float32", "float64")
DTYPES += ("complex64", "complex128")


class Malformed(ValueError):
    """Data that is not plain, too large, too deep, or not what the header says."""


def encode(value, depth: int = 0) -> tuple[object, list[bytes]]:
    """JSON of plain data, and the bytes of its arrays in order; Malformed: anything else.

    Numbers of numpy become Python's, a named tuple a tuple; a tensor loses its gradient.
    """
    if depth > DEPTH:
        raise Malformed(f"data is nested more than {DEPTH} deep")
    if value is None or isinstance(value, bool):
        return value, []
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value), []
    if isinstance(value, np.generic):
        return encode(value.item(), depth + 1)
    if isinstance(value, dict):
        pairs, parts = encode([list(pair) for pair in value.items()], depth + 1)
        return {"dict": pairs["list"]}, parts
    if isinstance(value, list | tuple):
        found = [encode(item, depth + 1) for item in value]
        name = "list" if isinstance(value, list) else "tuple"
        return {name: [node for node, _ in found]}, [part for _, parts in found for part in parts]
    torch = sys.modules.get("torch")
    name = "tensor" if torch and isinstance(value, torch.Tensor) else "array"
    array = value.detach().cpu().resolve_conj().resolve_neg().numpy() if name == "tensor" else value
    if not isinstance(array, np.ndarray) or str(array.dtype) not in DTYPES or array.ndim > AXES:
        raise Malformed(f"a {type(value).__name__} is no plain data")
    if array.nbytes > BODY:
        raise Malformed(f"an array has {array.nbytes} bytes, more than {BODY}")
    return {name: [str(array.dtype), list(array.shape)]}, [array.tobytes()]


def decode(node, body: memoryview, at: int = 0, depth: int = 0) -> tuple[object, int]:
    """Plain data from JSON and the bytes of its arrays, and where the next array begins; Malformed: anything else."""
    if depth > DEPTH:
        raise Malformed(f"data is nested more than {DEPTH} deep")
    if node is None or type(node) in (bool, int, float, str):
        return node, at
    if type(node) is not dict or len(node) != 1:
        raise Malformed("a node is neither a number, a text nor one of the known kinds")
    ((kind, inside),) = node.items()
    if kind in ("array", "tensor"):
        array, at = _array(inside, body, at)
        return (_tensor(array) if kind == "tensor" else array), at
    if kind not in ("list", "tuple", "dict") or type(inside) is not list:
        raise Malformed("a node is of no known kind")
    found = []
    for item in inside:
        value, at = decode(item, body, at, depth + 1)
        found.append(value)
    if kind == "dict":
        return _dict(found), at
    return (tuple(found) if kind == "tuple" else found), at


def _array(inside, body: memoryview, at: int) -> tuple[np.ndarray, int]:
    if type(inside) is not list or len(inside) != 2 or type(inside[1]) is not list:
        raise Malformed("an array is not [dtype, shape]")
    dtype, shape = inside
    if dtype not in DTYPES or len(shape) > AXES or any(type(n) is not int or not 0 <= n <= BODY for n in shape):
        raise Malformed("an array's dtype or shape is not allowed")
    end = at + math.prod(shape) * np.dtype(dtype).itemsize
    if end > len(body):
        raise Malformed("an array has fewer bytes than its shape says")
    if dtype == "bool" and set(body[at:end]) - {0, 1}:
        raise Malformed("an array of bool holds other bytes than 0 and 1")
    return np.frombuffer(body[at:end], dtype).reshape(shape).copy(), end


def _tensor(array: np.ndarray):
    import torch

    return torch.from_numpy(array)


def _dict(pairs: list) -> dict:
    for pair in pairs:
        if type(pair) is not list or len(pair) != 2 or type(pair[0]) not in (bool, int, float, str, type(None)):
            raise Malformed("a dict is no list of [plain key, value]")
    return {key: value for key, value in pairs}


def send(link: socket.socket, value, deadline: float = math.inf) -> None:
    """Write one message.  Malformed: it is no plain data or too large; TimeoutError: not read by the deadline."""
    node, parts = encode(value)
    header, size = json.dumps(node).encode(), sum(map(len, parts))
    if len(header) > HEADER or size > BODY:
        raise Malformed(f"a message has {len(header)} + {size} bytes, more than {HEADER} + {BODY}")
    _wait(link, deadline)
    link.sendall(b"".join((HEAD.pack(len(header), size), header, *parts)))


def receive(link: socket.socket, deadline: float = math.inf):
    """Read one message.  Malformed: not what ``send`` writes; EOFError: cut off; TimeoutError: not there in time."""
    header_size, size = HEAD.unpack(_read(link, HEAD.size, deadline))
    if header_size > HEADER or size > BODY:
        raise Malformed(f"a message announces {header_size} + {size} bytes, more than {HEADER} + {BODY}")
    header, body = _read(link, header_size, deadline), _read(link, size, deadline)
    try:
        value, end = decode(json.loads(header), memoryview(body))
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, Malformed) else Malformed("a header is no JSON") from None
    if end != size:
        raise Malformed("a message has bytes that no array uses")
    return value


def _read(link: socket.socket, size: int, deadline: float) -> bytes:
    found = bytearray()
    while len(found) < size:
        _wait(link, deadline)
        part = link.recv(min(size - len(found), 2**20))
        if not part:
            raise EOFError("the other side is gone")
        found += part
    return bytes(found)


def _wait(link: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the other side took too long")
    link.settimeout(None if left == math.inf else left)
