package kubernetes_test

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"
)

// S18: the capture log outlives its pod, and pods reach no addresses inside but those that
// they need.
func TestS18CountsOutliveTheirPodAndPodsReachWhatTheyNeed(t *testing.T) {
	t.Parallel()
	m := read(t)
	pod, claims := m.set.Spec.Template.Spec, m.set.Spec.VolumeClaimTemplates
	mounts := pod.Containers[0].VolumeMounts
	if len(claims) != 1 || len(mounts) != 1 || len(pod.Volumes) != 0 || mounts[0].Name != claims[0].Name || mounts[0].MountPath != "/data" ||
		claims[0].Spec.Resources.Requests.Storage().IsZero() {
		t.Errorf("the capture log is not on a volume of its own: %+v, %+v, %+v", claims, mounts, pod.Volumes)
	}
	if m.set.Spec.ServiceName != m.service.Name {
		t.Errorf("the set names the service %q", m.set.Spec.ServiceName)
	}
	policy := m.policy.Spec
	if !slices.Contains(policy.PolicyTypes, networkingv1.PolicyTypeEgress) {
		t.Fatal("pods may reach everything")
	}
	reaches := func(addr string, port int32) bool {
		return slices.ContainsFunc(policy.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool { return admits(t, r, addr, port) })
	}
	for _, public := range []string{"93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"} {
		for port, want := range map[int32]bool{80: true, 443: true, 8443: true, 22: false, 25: false} {
			if reaches(public, port) != want {
				t.Errorf("port %d of %s is reached: %t", port, public, !want)
			}
		}
	}
	for _, inside := range []string{"10.0.0.1", "127.0.0.1", "169.254.169.254", "172.20.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.1", "168.63.129.16", "fd00::1", "fe80::1", "::1", "64:ff9b::a00:1"} {
		if reaches(inside, 80) || reaches(inside, 8080) {
			t.Errorf("%s is reached", inside)
		}
	}
}

// admits reports whether a rule admits a port of an address. What it admits by labels must
// have few ports.
func admits(t *testing.T, rule networkingv1.NetworkPolicyEgressRule, addr string, port int32) bool {
	t.Helper()
	if len(rule.To) == 0 || len(rule.Ports) == 0 {
		t.Fatalf("a rule admits all: %+v", rule)
	}
	ports := slices.ContainsFunc(rule.Ports, func(p networkingv1.NetworkPolicyPort) bool {
		last := p.Port.IntVal
		if p.EndPort != nil {
			last = *p.EndPort
		}
		return p.Port.IntVal <= port && port <= last
	})
	return ports && slices.ContainsFunc(rule.To, func(to networkingv1.NetworkPolicyPeer) bool {
		if to.IPBlock == nil {
			if len(rule.Ports) > 2 {
				t.Errorf("pods reach %d ports of the cluster", len(rule.Ports))
			}
			return false
		}
		in := func(cidr string) bool {
			prefix, err := netip.ParsePrefix(cidr)
			if err != nil {
				t.Fatal(err)
			}
			return prefix.Contains(netip.MustParseAddr(addr))
		}
		return in(to.IPBlock.CIDR) && !slices.ContainsFunc(to.IPBlock.Except, in)
	})
}

// S18: no service of the stack can take the memory of the machine. Those that have a limit
// of their own keep below that of their container.
func TestS18EveryServiceOfTheStackHasAMemoryLimit(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var stack struct {
		Services map[string]struct {
			MemLimit    string            `json:"mem_limit"`
			Command     []string          `json:"command"`
			Environment map[string]string `json:"environment"`
		} `json:"services"`
	}
	if err := yaml.Unmarshal(text, &stack); err != nil || len(stack.Services) < 8 {
		t.Fatalf("%d services: %v", len(stack.Services), err)
	}
	size := func(text string) int64 {
		suffixed := strings.NewReplacer("MiB", "Mi", "mb", "Mi", "gb", "Gi", "m", "Mi", "g", "Gi").Replace(text)
		q, err := resource.ParseQuantity(suffixed)
		if err != nil {
			t.Errorf("%q is no size: %v", text, err)
		}
		return q.Value()
	}
	for name, s := range stack.Services {
		if s.MemLimit == "" {
			t.Errorf("%s has no limit of memory", name)
			continue
		}
		limit := size(s.MemLimit)
		if own, ok := s.Environment["GOMEMLIMIT"]; ok != (name == "footfall") || ok && size(own) >= limit {
			t.Errorf("%s: GOMEMLIMIT is %q below %s", name, own, s.MemLimit)
		}
		if strings.HasPrefix(name, "redis-") {
			_, rest, _ := strings.Cut(strings.Join(s.Command, " "), "--maxmemory ")
			own, _, _ := strings.Cut(rest, " ")
			if most := size(own); most == 0 || most > limit*3/4 {
				t.Errorf("%s: --maxmemory is %q, below %s", name, own, s.MemLimit)
			}
		}
	}
}
