package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests are the objects of a kustomization, decoded strictly: a field that its type does not have fails.
type manifests struct {
	pods     map[string]*core.PodTemplateSpec // of Deployments and StatefulSets, by name
	kinds    map[string]string                // of those
	sets     map[string]*apps.StatefulSet
	services map[string]*core.Service
	secrets  map[string]*core.Secret
	configs  map[string]*core.ConfigMap
	accounts map[string]*core.ServiceAccount
	budgets  map[string]*policy.PodDisruptionBudget
	scalers  map[string]*autoscaling.HorizontalPodAutoscaler
	nets     map[string]*networking.NetworkPolicy
}

func decode[T any](t *testing.T, data []byte, into map[string]*T, name string) *T {
	t.Helper()
	out := new(T)
	require.NoError(t, yaml.UnmarshalStrict(data, out), "%s:\n%s", name, data)
	require.NotContains(t, into, name, "twice")
	into[name] = out
	return out
}

func build(t *testing.T, dir string) *manifests {
	t.Helper()
	found, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	require.NoError(t, err)
	m := &manifests{
		pods: map[string]*core.PodTemplateSpec{}, kinds: map[string]string{}, sets: map[string]*apps.StatefulSet{},
		services: map[string]*core.Service{}, secrets: map[string]*core.Secret{}, configs: map[string]*core.ConfigMap{},
		accounts: map[string]*core.ServiceAccount{}, budgets: map[string]*policy.PodDisruptionBudget{},
		scalers: map[string]*autoscaling.HorizontalPodAutoscaler{}, nets: map[string]*networking.NetworkPolicy{},
	}
	for _, r := range found.Resources() {
		data, err := r.AsYAML()
		require.NoError(t, err)
		name := r.GetName()
		switch kind := r.GetApiVersion() + " " + r.GetKind(); kind {
		case "v1 Namespace":
			decode(t, data, map[string]*core.Namespace{}, name)
			require.Equal(t, "myriad", name)
			continue
		case "apps/v1 Deployment":
			d := decode(t, data, map[string]*apps.Deployment{}, name)
			require.Equal(t, d.Spec.Template.Labels, merged(d.Spec.Selector.MatchLabels, d.Spec.Template.Labels), "selector of %s", name)
			m.pods[name], m.kinds[name] = &d.Spec.Template, r.GetKind()
		case "apps/v1 StatefulSet":
			s := decode(t, data, m.sets, name)
			require.Equal(t, s.Spec.Template.Labels, merged(s.Spec.Selector.MatchLabels, s.Spec.Template.Labels), "selector of %s", name)
			m.pods[name], m.kinds[name] = &s.Spec.Template, r.GetKind()
		case "v1 Service":
			decode(t, data, m.services, name)
		case "v1 Secret":
			decode(t, data, m.secrets, name)
		case "v1 ConfigMap":
			decode(t, data, m.configs, name)
		case "v1 ServiceAccount":
			decode(t, data, m.accounts, name)
		case "policy/v1 PodDisruptionBudget":
			decode(t, data, m.budgets, name)
		case "autoscaling/v2 HorizontalPodAutoscaler":
			decode(t, data, m.scalers, name)
		case "networking.k8s.io/v1 NetworkPolicy":
			decode(t, data, m.nets, name)
		default:
			t.Errorf("%s %s is checked by nobody", kind, name)
		}
		require.Equal(t, "myriad", r.GetNamespace(), name)
	}
	return m
}

// merged is b with a written over it: equal to b if a is part of it.
func merged(a, b map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range b {
		out[k] = v
	}
	for k, v := range a {
		out[k] = v
	}
	return out
}

// overlay builds the example with keys as the program makes them.
func overlay(t *testing.T) *manifests {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "base"), os.DirFS(filepath.Join("..", "kubernetes", "base"))))
	example := filepath.Join(dir, "overlays", "example")
	require.NoError(t, os.MkdirAll(example, 0o755))
	list, err := filepath.Glob(filepath.Join("..", "kubernetes", "overlays", "example", "*.yaml"))
	require.NoError(t, err)
	for _, file := range list {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(example, filepath.Base(file)), data, 0o600))
	}
	run(t, "keys", "init", filepath.Join(example, "keys"), "--host=nats-0.nats", "--host=nats-1.nats", "--host=nats-2.nats", "--host=coordinator")
	return build(t, example)
}

func TestBaseBuilds(t *testing.T) {
	m := build(t, filepath.Join("..", "kubernetes", "base"))
	for _, s := range append(slices.Clone(services), "nats") {
		require.Contains(t, m.pods, s)
		require.Contains(t, m.budgets, s)
		require.Contains(t, m.accounts, s)
	}
	require.Empty(t, m.secrets, "keys are no part of the base")
}

func TestPodsAreHardenedAndFindWhatTheyName(t *testing.T) {
	m := overlay(t)
	for name, pod := range m.pods {
		t.Run(name, func(t *testing.T) {
			s := pod.Spec
			require.False(t, *s.AutomountServiceAccountToken)
			require.Contains(t, m.accounts, s.ServiceAccountName)
			require.False(t, *m.accounts[s.ServiceAccountName].AutomountServiceAccountToken)
			require.True(t, *s.SecurityContext.RunAsNonRoot)
			require.Equal(t, core.SeccompProfileTypeRuntimeDefault, s.SecurityContext.SeccompProfile.Type)
			volumes := map[string]core.Volume{}
			for _, v := range s.Volumes {
				volumes[v.Name] = v
				if v.Secret != nil {
					require.Contains(t, m.secrets, v.Secret.SecretName)
				}
				if v.ConfigMap != nil {
					require.Contains(t, m.configs, v.ConfigMap.Name)
				}
			}
			if set := m.sets[name]; set != nil {
				require.Contains(t, m.services, set.Spec.ServiceName)
				require.Equal(t, core.ClusterIPNone, m.services[set.Spec.ServiceName].Spec.ClusterIP)
				for _, v := range set.Spec.VolumeClaimTemplates {
					volumes[v.Name] = core.Volume{}
				}
			}
			require.Len(t, s.Containers, 1)
			m.container(t, s.Containers[0], volumes)
		})
	}
}

func (m *manifests) container(t *testing.T, c core.Container, volumes map[string]core.Volume) {
	t.Helper()
	require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
	require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
	require.Equal(t, []core.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
	require.NotZero(t, c.Resources.Limits.Memory().Value())
	require.NotZero(t, c.Resources.Requests.Cpu().MilliValue())
	require.True(t, strings.HasPrefix(c.Image, "registry.example.org/myriad") && strings.HasSuffix(c.Image, ":1"), c.Image)
	ports := map[string]bool{}
	for _, p := range c.Ports {
		ports[p.Name] = true
	}
	for _, probe := range []*core.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		if probe != nil && probe.HTTPGet != nil {
			require.True(t, ports[probe.HTTPGet.Port.StrVal], probe.HTTPGet.Port)
		}
	}
	require.NotNil(t, c.ReadinessProbe)
	for _, mounted := range c.VolumeMounts {
		require.Contains(t, volumes, mounted.Name)
	}
	if len(c.Args) == 0 || !slices.Contains(services, c.Args[0]) {
		return
	}
	require.NotNil(t, c.StartupProbe)
	require.NotNil(t, c.LivenessProbe)
	values := map[string]string{}
	for _, from := range c.EnvFrom {
		require.Contains(t, m.configs, from.ConfigMapRef.Name)
		for k, v := range m.configs[from.ConfigMapRef.Name].Data {
			values[k] = v
		}
	}
	for _, e := range c.Env {
		values[e.Name] = e.Value
	}
	known := settings(t, c.Args[0])
	keys := m.secrets[volumes["keys"].Secret.SecretName]
	for k, v := range values {
		require.True(t, known[k] || foreign[k], "%s is read by nobody", k)
		if file, ok := strings.CutPrefix(v, "/run/secrets/myriad/"); ok {
			require.Contains(t, keys.Data, file, k)
		}
	}
}

func TestServicesBudgetsAndScalersFindTheirPods(t *testing.T) {
	m := overlay(t)
	for name, s := range m.services {
		pod := m.selected(t, s.Spec.Selector, name)
		for _, p := range s.Spec.Ports {
			require.True(t, slices.ContainsFunc(pod.Spec.Containers[0].Ports, func(c core.ContainerPort) bool { return c.Name == p.TargetPort.StrVal }), "%s: %v", name, p)
		}
	}
	for name, b := range m.budgets {
		m.selected(t, b.Spec.Selector.MatchLabels, name)
	}
	require.Contains(t, m.scalers, "agenthost")
	require.Contains(t, m.scalers, "llmproxy")
	adapter, err := os.ReadFile(filepath.Join("..", "kubernetes", "prometheus-adapter.yaml"))
	require.NoError(t, err)
	for name, h := range m.scalers {
		require.Equal(t, m.kinds[h.Spec.ScaleTargetRef.Name], h.Spec.ScaleTargetRef.Kind, name)
		for _, metric := range h.Spec.Metrics {
			require.Contains(t, string(adapter), metric.Pods.Metric.Name)
		}
	}
	for name, n := range m.nets {
		if len(n.Spec.PodSelector.MatchLabels) > 0 {
			m.selected(t, n.Spec.PodSelector.MatchLabels, name)
		}
	}
	require.Empty(t, m.nets["nothing-else"].Spec.PodSelector.MatchLabels)
	require.Len(t, m.nets["nothing-else"].Spec.PolicyTypes, 2)
}

// selected is a pod that labels select; there must be one.
func (m *manifests) selected(t *testing.T, labels map[string]string, who string) *core.PodTemplateSpec {
	t.Helper()
	for _, pod := range m.pods {
		if len(labels) > 0 && len(merged(labels, pod.Labels)) == len(pod.Labels) && slices.Equal(values(merged(labels, pod.Labels)), values(pod.Labels)) {
			return pod
		}
	}
	t.Fatalf("%s selects no pod: %v", who, labels)
	return nil
}

func values(m map[string]string) []string {
	var out []string
	for k, v := range m {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

// TestBrokersAreConfiguredAlike: the two files differ in the names of the servers alone.
func TestBrokersAreConfiguredAlike(t *testing.T) {
	read := func(path ...string) []string {
		data, err := os.ReadFile(filepath.Join(append([]string{".."}, path...)...))
		require.NoError(t, err)
		return slices.DeleteFunc(strings.Split(string(data), "\n"), func(l string) bool {
			return strings.HasPrefix(l, "#") || strings.Contains(l, ":6222\n") || strings.Contains(l, "tls://nats-")
		})
	}
	require.Equal(t, read("nats", "nats.conf"), read("kubernetes", "base", "nats.conf"))
}
