// Command client-go makes streams with the library of that name. It takes kubectl's words:
//
//	exec [-i|-it] POD -- COMMAND...
//	attach -it POD
//	logs -f POD
//	port-forward pod/NAME :PORT
//	get configmaps|configmap [NAME...] --watch -o name
//	get configmaps|configmap NAME -o name
//	create|delete configmap NAME
//
// It reads $KUBECONFIG and uses the protocol that kubectl's environment variables choose.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/term"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
)

func main() {
	code, err := run(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// client is what each verb needs.
type client struct {
	config *rest.Config
	api    *kubernetes.Clientset
}

func run(ctx context.Context, words []string) (int, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return 0, err
	}
	// As k9s has it; by itself the library waits between requests.
	config.QPS, config.Burst = 50, 50
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return 0, err
	}
	c := client{config: config, api: api}
	if len(words) == 0 {
		return 0, errors.New("no verb")
	}
	verb, rest := words[0], words[1:]
	switch verb {
	case "exec", "attach":
		return c.stream(ctx, verb, rest)
	case "logs":
		return 0, c.logs(ctx, rest[len(rest)-1])
	case "port-forward":
		return 0, c.portForward(ctx, strings.TrimPrefix(rest[0], "pod/"), rest[1])
	case "get":
		if at := slices.Index(rest, "--watch"); at > 0 {
			return 0, c.watch(ctx, rest[1:at])
		}
		return 0, c.get(ctx, rest)
	case "create":
		object := corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: rest[1]}}
		_, err := c.maps().Create(ctx, &object, metav1.CreateOptions{})
		return 0, err
	case "delete":
		return 0, c.maps().Delete(ctx, rest[1], metav1.DeleteOptions{})
	}
	return 0, fmt.Errorf("no verb %q", verb)
}

// stream runs a program in a pod, or attaches to the one that runs there, and returns its exit code.
func (c client) stream(ctx context.Context, verb string, words []string) (int, error) {
	var options remotecommand.StreamOptions
	var pod string
	var command []string
	for at, word := range words {
		if word == "--" {
			command = words[at+1:]
			break
		}
		switch word {
		case "-i":
			options.Stdin = os.Stdin
		case "-it":
			options.Stdin, options.Tty = os.Stdin, true
		default:
			pod = word
		}
	}
	options.Stdout = os.Stdout
	if options.Tty {
		fd := int(os.Stdin.Fd())
		before, err := term.MakeRaw(fd)
		if err != nil {
			return 0, err
		}
		defer term.Restore(fd, before)
		options.TerminalSizeQueue = newSizes(fd)
	} else {
		options.Stderr = os.Stderr
	}
	if verb == "attach" {
		fmt.Fprint(os.Stderr, "If you don't see a command prompt, try pressing enter.\r\n")
	}
	executor, err := c.executor(c.address(verb, pod, command, options))
	if err != nil {
		return 0, err
	}
	err = executor.StreamWithContext(ctx, options)
	var exit exec.CodeExitError
	if errors.As(err, &exit) {
		return exit.Code, nil
	}
	return 0, err
}

func (c client) address(verb, pod string, command []string, options remotecommand.StreamOptions) *url.URL {
	request := c.api.CoreV1().RESTClient().Get().Namespace("default").Resource("pods").Name(pod).SubResource(verb)
	in, failures := options.Stdin != nil, options.Stderr != nil
	if verb == "attach" {
		attach := corev1.PodAttachOptions{Stdin: in, Stdout: true, Stderr: failures, TTY: options.Tty}
		return request.VersionedParams(&attach, scheme.ParameterCodec).URL()
	}
	run := corev1.PodExecOptions{Command: command, Stdin: in, Stdout: true, Stderr: failures, TTY: options.Tty}
	return request.VersionedParams(&run, scheme.ParameterCodec).URL()
}

func (c client) executor(address *url.URL) (remotecommand.Executor, error) {
	if os.Getenv("KUBECTL_REMOTE_COMMAND_WEBSOCKETS") == "false" {
		return remotecommand.NewSPDYExecutor(c.config, http.MethodPost, address)
	}
	return remotecommand.NewWebSocketExecutor(c.config, http.MethodGet, address.String())
}

// sizes tells the size of a terminal's window, first and at each change.
type sizes struct {
	fd      int
	changes chan os.Signal
}

func newSizes(fd int) sizes {
	s := sizes{fd: fd, changes: make(chan os.Signal, 1)}
	s.changes <- syscall.SIGWINCH
	signal.Notify(s.changes, syscall.SIGWINCH)
	return s
}

func (s sizes) Next() *remotecommand.TerminalSize {
	<-s.changes
	width, height, err := term.GetSize(s.fd)
	if err != nil {
		return nil
	}
	return &remotecommand.TerminalSize{Width: uint16(width), Height: uint16(height)}
}

func (c client) logs(ctx context.Context, pod string) error {
	options := corev1.PodLogOptions{Follow: true}
	lines, err := c.api.CoreV1().Pods("default").GetLogs(pod, &options).Stream(ctx)
	if err != nil {
		return err
	}
	defer lines.Close()
	_, err = io.Copy(os.Stdout, lines)
	return err
}

func (c client) portForward(ctx context.Context, pod, ports string) error {
	request := c.api.CoreV1().RESTClient().Get().Namespace("default").Resource("pods").Name(pod)
	dialer, err := c.dialer(request.SubResource("portforward").URL())
	if err != nil {
		return err
	}
	local := []string{"127.0.0.1"}
	forwarder, err := portforward.NewOnAddressesWithContext(
		ctx, dialer, local, []string{ports}, make(chan struct{}), os.Stdout, os.Stderr)
	if err != nil {
		return err
	}
	return forwarder.ForwardPorts()
}

func (c client) dialer(address *url.URL) (httpstream.Dialer, error) {
	if os.Getenv("KUBECTL_PORT_FORWARD_WEBSOCKETS") != "false" {
		return portforward.NewSPDYOverWebsocketDialer(address, c.config)
	}
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	return spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, address), nil
}

func (c client) maps() typedv1.ConfigMapInterface {
	return c.api.CoreV1().ConfigMaps("default")
}

// get prints the names of all config maps, or that of one.
func (c client) get(ctx context.Context, words []string) error {
	if words[0] == "configmap" {
		object, err := c.maps().Get(ctx, words[1], metav1.GetOptions{})
		if err == nil {
			fmt.Println("configmap/" + object.Name)
		}
		return err
	}
	all, err := c.maps().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, object := range all.Items {
		fmt.Println("configmap/" + object.Name)
	}
	return nil
}

// watch prints the names of config maps as they come: of all on one watch, or of each name on a watch of its own.
func (c client) watch(ctx context.Context, names []string) error {
	selectors := []string{""}
	if len(names) > 0 {
		selectors = nil
	}
	for _, name := range names {
		selectors = append(selectors, "metadata.name="+name)
	}
	ended := make(chan error)
	for _, selector := range selectors {
		events, err := c.maps().Watch(ctx, metav1.ListOptions{FieldSelector: selector})
		if err != nil {
			return err
		}
		go func() { ended <- show(events) }()
	}
	fmt.Println("watches:", len(selectors))
	return <-ended
}

func show(events watch.Interface) error {
	for event := range events.ResultChan() {
		object, ok := event.Object.(*corev1.ConfigMap)
		if !ok {
			return fmt.Errorf("not a config map: %v", event.Object)
		}
		fmt.Println("configmap/" + object.Name)
	}
	return errors.New("the watch ended")
}
