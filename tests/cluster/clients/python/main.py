"""A client made with the official Python library. It takes kubectl's words:

    exec [-i|-it] POD -- COMMAND...
    attach -it POD
    logs -f POD
    port-forward pod/NAME :PORT
    get configmaps --watch -o name
    get configmaps|configmap NAME -o name
    create|delete configmap NAME

It reads $KUBECONFIG. Its streams are WebSockets: the library knows no other.
"""

import json
import os
import signal
import socket
import sys
import termios
import threading
import tty

from kubernetes import client, config, watch
from kubernetes.stream import portforward, stream
from kubernetes.stream.ws_client import ERROR_CHANNEL, RESIZE_CHANNEL, STDERR_CHANNEL, STDIN_CHANNEL, STDOUT_CHANNEL

NAMESPACE = "default"
PROMPT = "If you don't see a command prompt, try pressing enter.\r"


def main(words):
    config.load_kube_config()
    api = client.CoreV1Api()
    match words:
        case ["exec", *options]:
            return execute(api, options)
        case ["attach", "-it", pod]:
            return carry(api.connect_get_namespaced_pod_attach, pod, True, True, said=PROMPT)
        case ["logs", "-f", pod]:
            logs(api, pod)
        case ["port-forward", pod, port]:
            forward(api, pod.removeprefix("pod/"), int(port.removeprefix(":")))
        case ["get", "configmaps", "--watch", *_]:
            for event in watch.Watch().stream(api.list_namespaced_config_map, NAMESPACE):
                print_name(event["object"])
            return "the watch ended"
        case ["get", "configmaps", *_]:
            for one in api.list_namespaced_config_map(NAMESPACE).items:
                print_name(one)
        case ["get", "configmap", name, *_]:
            print_name(api.read_namespaced_config_map(name, NAMESPACE))
        case ["create", "configmap", name]:
            print_name(api.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": name}}))
        case ["delete", "configmap", name]:
            api.delete_namespaced_config_map(name, NAMESPACE)
        case _:
            return f"no verb {words}"
    return 0


def print_name(one):
    print(f"configmap/{one.metadata.name}", flush=True)


def logs(api, pod):
    following = api.read_namespaced_pod_log(pod, NAMESPACE, follow=True, _preload_content=False)
    for piece in following.stream(amt=None):
        write(1, piece)


def execute(api, options):
    at = options.index("--")
    pod, command = options[at - 1], options[at + 1 :]
    on_terminal = "-it" in options[:at]
    return carry(api.connect_get_namespaced_pod_exec, pod, on_terminal or "-i" in options[:at], on_terminal, command=command)


def carry(call, pod, with_input, on_terminal, said=None, **command):
    """Carries input and both outputs until the program has ended; returns its exit code."""
    opened = stream(
        call,
        pod,
        NAMESPACE,
        stdin=with_input,
        stdout=True,
        stderr=not on_terminal,
        tty=on_terminal,
        binary=True,
        _preload_content=False,
        **command,
    )
    before = termios.tcgetattr(0) if on_terminal else None
    try:
        if on_terminal:
            # Discards what was typed before: only now is there somebody to type for.
            tty.setraw(0)
            signal.signal(signal.SIGWINCH, lambda *_: resize(opened))
            resize(opened)
        if said:
            print(said, file=sys.stderr, flush=True)
        if with_input:
            threading.Thread(target=read_input, args=(opened,), daemon=True).start()
        while opened.is_open():
            # A look at one output takes in what has come for the other, which would lie there until something else comes.
            opened.update(timeout=0.1)
            show(opened)
        show(opened)
    finally:
        if before:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
    return exit_code(opened)


def exit_code(opened):
    status = json.loads(opened.read_channel(ERROR_CHANNEL))
    if status["status"] == "Success":
        return 0
    for cause in status.get("details", {}).get("causes", []):
        if cause["reason"] == "ExitCode":
            return int(cause["message"])
    return f"the program failed: {status}"


def resize(opened):
    size = os.get_terminal_size(0)
    opened.write_channel(RESIZE_CHANNEL, json.dumps({"Width": size.columns, "Height": size.lines}).encode())


def read_input(opened):
    while piece := os.read(0, 4096):
        opened.write_stdin(piece)
    opened.close_channel(STDIN_CHANNEL)


def show(opened):
    for channel, file in [(STDOUT_CHANNEL, 1), (STDERR_CHANNEL, 2)]:
        write(file, opened.read_channel(channel))


def write(file, piece):
    while piece:
        piece = piece[os.write(file, piece) :]


def forward(api, pod, port):
    """A port on loopback; each connection to it is a stream of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"Forwarding from 127.0.0.1:{listener.getsockname()[1]} -> {port}", flush=True)
    while True:
        here, _ = listener.accept()
        opened = portforward(api.connect_get_namespaced_pod_portforward, pod, NAMESPACE, ports=str(port))
        there = opened.socket(port)
        for pair in [(here, there), (there, here)]:
            threading.Thread(target=copy, args=pair, daemon=True).start()


def copy(source, sink):
    while piece := source.recv(4096):
        sink.sendall(piece)
    sink.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
