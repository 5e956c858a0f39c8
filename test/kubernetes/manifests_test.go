// Package kubernetes_test reads the manifests of deploy/kubernetes as the API
// server does, by the types of its API and without unknown fields, and checks
// what types can't say.
package kubernetes_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// manifests are the objects of all files.
type manifests struct {
	set     *appsv1.StatefulSet
	service *corev1.Service
	budget  *policyv1.PodDisruptionBudget
	policy  *networkingv1.NetworkPolicy
}

func read(t *testing.T) manifests {
	t.Helper()
	files, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	m := manifests{new(appsv1.StatefulSet), new(corev1.Service), new(policyv1.PodDisruptionBudget), new(networkingv1.NetworkPolicy)}
	into := map[string]any{
		"apps/v1/StatefulSet": m.set, "v1/Service": m.service,
		"policy/v1/PodDisruptionBudget": m.budget, "networking.k8s.io/v1/NetworkPolicy": m.policy,
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(text, []byte("\n---\n")) {
			var kind metav1.TypeMeta
			if err := yaml.Unmarshal(doc, &kind); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			object, ok := into[kind.APIVersion+"/"+kind.Kind]
			if !ok {
				t.Fatalf("%s: no %s/%s is wanted, or it is there twice", file, kind.APIVersion, kind.Kind)
			}
			delete(into, kind.APIVersion+"/"+kind.Kind)
			if err := yaml.UnmarshalStrict(doc, object); err != nil {
				t.Errorf("%s: %s: %v", file, kind.Kind, err)
			}
		}
	}
	for kind := range into {
		t.Errorf("there is no %s", kind)
	}
	return m
}

func TestManifestsAreOfTheAPIsTypes(t *testing.T) {
	t.Parallel()
	m := read(t)
	for _, o := range []metav1.Object{m.set, m.service, m.budget, m.policy} {
		for _, why := range validation.IsDNS1123Label(o.GetName()) {
			t.Errorf("name %q: %s", o.GetName(), why)
		}
		if o.GetNamespace() != "" {
			t.Errorf("%s is tied to a namespace", o.GetName())
		}
	}
}

func TestSelectorsFindThePods(t *testing.T) {
	t.Parallel()
	m := read(t)
	pod := m.set.Spec.Template
	if len(m.service.Spec.Selector) == 0 || !labels.SelectorFromSet(m.service.Spec.Selector).Matches(labels.Set(pod.Labels)) {
		t.Error("the service finds no pod")
	}
	for what, s := range map[string]*metav1.LabelSelector{
		"set": m.set.Spec.Selector, "budget": m.budget.Spec.Selector, "policy": &m.policy.Spec.PodSelector,
		"spread": pod.Spec.TopologySpreadConstraints[0].LabelSelector,
	} {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil || selector.Empty() || !selector.Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s: %v finds no pod: %v", what, s, err)
		}
	}
	if least := m.budget.Spec.MinAvailable.IntValue(); least < 1 || least >= int(*m.set.Spec.Replicas) {
		t.Errorf("the budget keeps %d of %d pods: a node could never be drained, or all be lost", least, *m.set.Spec.Replicas)
	}
}

func TestPortsAndProbesAreThere(t *testing.T) {
	t.Parallel()
	m := read(t)
	c := m.set.Spec.Template.Spec.Containers[0]
	has := func(port intstr.IntOrString) bool {
		for _, p := range c.Ports {
			if p.Name == port.StrVal && len(validation.IsValidPortName(p.Name)) == 0 || p.ContainerPort == port.IntVal {
				return true
			}
		}
		return false
	}
	for what, p := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if p == nil || p.HTTPGet == nil || !has(p.HTTPGet.Port) {
			t.Errorf("%s: no probe, or of a port that isn't there", what)
			continue
		}
		// S6: callers can take all connections of the public listener.
		if p.HTTPGet.Port.StrVal != "admin" {
			t.Errorf("%s asks port %v, want that of the admin listener", what, p.HTTPGet.Port)
		}
		// A node that is away must not restart the instances.
		if want := map[bool]string{true: "/readyz", false: "/healthz"}[what == "readiness"]; p.HTTPGet.Path != want {
			t.Errorf("%s asks %s, want %s", what, p.HTTPGet.Path, want)
		}
	}
	open := make(map[string]bool) // by the policy, for all
	for _, rule := range m.policy.Spec.Ingress {
		for _, p := range rule.Ports {
			if !has(*p.Port) {
				t.Errorf("the policy's port %v isn't there", p.Port)
			}
			open[p.Port.StrVal] = len(rule.From) == 0
		}
	}
	for _, p := range m.service.Spec.Ports {
		if !has(p.TargetPort) || !open[p.TargetPort.StrVal] {
			t.Errorf("the service's port %v isn't there, or the policy closes it", p.TargetPort)
		}
	}
	if len(m.service.Spec.Ports) != 2 || open["admin"] {
		t.Errorf("the service has the ports %+v, and all may reach the admin listener: %t", m.service.Spec.Ports, open["admin"])
	}
	for _, p := range c.Ports {
		setting := map[string]string{"ingest": "FOOTFALL_INGEST_LISTEN", "admin": "FOOTFALL_ADMIN_LISTEN"}[p.Name]
		listens := corev1.EnvVar{Name: setting, Value: fmt.Sprint(":", p.ContainerPort)}
		if setting != "" && !slices.Contains(c.Env, listens) {
			t.Errorf("nothing listens on port %s: there is no %s=%s", p.Name, setting, listens.Value)
		}
	}
}

func TestPodsMayDoNothingButServe(t *testing.T) {
	t.Parallel()
	pod := read(t).set.Spec.Template.Spec
	c := pod.Containers[0]
	s := c.SecurityContext
	if s == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" {
		t.Errorf("security of the container: %+v", s)
	}
	if p := pod.SecurityContext; p == nil || !*p.RunAsNonRoot || *p.RunAsUser == 0 || p.SeccompProfile == nil {
		t.Errorf("security of the pod: %+v", p)
	}
	if *pod.AutomountServiceAccountToken {
		t.Error("pods get a token of the API")
	}
	if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
		t.Errorf("resources: %+v", c.Resources)
	}
	for _, e := range c.Env {
		if e.Name == "GOMEMLIMIT" {
			limit, err := resource.ParseQuantity(strings.TrimSuffix(e.Value, "B"))
			if err != nil || limit.Cmp(*c.Resources.Limits.Memory()) >= 0 {
				t.Errorf("GOMEMLIMIT is %s: %v; want less than %s", e.Value, err, c.Resources.Limits.Memory())
			}
			continue
		}
		if e.Name != "FOOTFALL_ADMIN_LISTEN" && e.Name != "FOOTFALL_INGEST_LISTEN" && (e.Value != "" || e.ValueFrom.SecretKeyRef == nil) {
			t.Errorf("%s does not come from the secret", e.Name)
		}
	}
	if sleep := c.Lifecycle.PreStop.Sleep.Seconds; *pod.TerminationGracePeriodSeconds < sleep+11 {
		t.Errorf("%d s are no time to end in: %d s of sleep, and 10 s", *pod.TerminationGracePeriodSeconds, sleep)
	}
}
