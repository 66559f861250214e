{{- /* What the operator may do where it looks after Rollouts. Nothing here, or anywhere else, is about Secrets. */ -}}
{{- define "teal.rules" -}}
{{- $read := list "get" "list" "watch" -}}
{{- $write := list "get" "list" "watch" "create" "patch" "delete" -}}
# What people ask for. Patched for the finalizer alone; what is wanted stays theirs.
- apiGroups: [teal.dev]
  resources: [rollouts]
  verbs: [get, list, watch, patch]
- apiGroups: [teal.dev]
  resources: [rollouts/status, decisions/status]
  verbs: [patch]
- apiGroups: [teal.dev]
  resources: [decisions]
  verbs: [get, list, watch, delete]
# Objects of a release.
- apiGroups: [apps]
  resources: [deployments, statefulsets, controllerrevisions]
  verbs: {{ toJson $write }}
- apiGroups: [""]
  resources: [configmaps, services, serviceaccounts]
  verbs: {{ toJson $write }}
# Claims are never deleted: they are data.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch]
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: {{ toJson $write }}
# A CronJob that wakes is told the last tick of the other color's, so that none is made twice.
- apiGroups: [batch]
  resources: [cronjobs/status]
  verbs: [patch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: {{ toJson $write }}
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: {{ toJson $write }}
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: {{ toJson $write }}
- apiGroups: [autoscaling.k8s.io]
  resources: [verticalpodautoscalers]
  verbs: {{ toJson $write }}
# The same, but written only where values say so.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: {{ toJson (ternary $write $read .Values.rbac.write.roles) }}
- apiGroups: [security.istio.io]
  resources: [authorizationpolicies]
  verbs: {{ toJson (ternary $write $read .Values.rbac.write.authorizationPolicies) }}
- apiGroups: [external-secrets.io]
  resources: [externalsecrets]
  verbs: {{ toJson (ternary $write $read .Values.rbac.write.externalSecrets) }}
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors, servicemonitors]
  verbs: {{ toJson (ternary $write $read .Values.rbac.write.monitors) }}
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: {{ toJson (ternary $write $read .Values.rbac.write.scaledObjects) }}
# Traffic. VirtualServices are their owners': edited, never made and never deleted.
- apiGroups: [networking.istio.io]
  resources: [virtualservices]
  verbs: [get, list, watch, patch]
- apiGroups: [networking.istio.io]
  resources: [destinationrules]
  verbs: {{ toJson $write }}
# What else decides whether the candidate's Service is reached, and by whom.
- apiGroups: [networking.istio.io]
  resources: [sidecars, serviceentries]
  verbs: [list, watch]
- apiGroups: [security.istio.io]
  resources: [requestauthentications]
  verbs: [list, watch]
# Whether pods serve, and whether there is room for more.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [resourcequotas]
  verbs: [list]
# Why pods of a StatefulSet or a Job are not made: their controllers say it in Events alone.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
# Whether a namespace is about to go.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# What became of a Rollout. Each Event is news, and none is written again.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
