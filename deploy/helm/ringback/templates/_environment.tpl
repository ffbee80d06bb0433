{{/* The variables of a role. Takes a dict of `root`, `required` and `optional`: names of variables in Secrets. */}}
{{- define "ringback.environment" -}}
{{- $root := .root -}}
{{- /* Not in the schema, whose errors show the value. */}}
{{- if contains "@" (get $root.Values.settings "REDIS_URL") }}
{{- fail "settings.REDIS_URL has a password. Give the whole URL in the Secret, by the key REDIS_URL" }}
{{- end }}
{{- range $name, $value := $root.Values.settings }}
- name: {{ $name }}
  {{- /* A number of YAML is a float to a template, which would write a large one with an exponent. */}}
  value: {{ (kindIs "float64" $value | ternary (int64 $value) $value) | toString | quote }}
{{- end }}
{{- range $name := .required }}
{{- if not (hasKey $root.Values.settings $name) }}
{{ include "ringback.secretVariable" (dict "root" $root "name" $name "optional" false) }}
{{- end }}
{{- end }}
{{- range $name := .optional }}
{{- if not (hasKey $root.Values.settings $name) }}
{{ include "ringback.secretVariable" (dict "root" $root "name" $name "optional" true) }}
{{- end }}
{{- end }}
- name: RINGBACK_GRACE
  value: {{ printf "%ds" (int $root.Values.graceSeconds) }}
{{- end }}

{{/* One variable from a Secret. Takes a dict of `root`, `name` and `optional`. */}}
{{- define "ringback.secretVariable" -}}
{{- $ref := get .root.Values.secretRefs .name | default dict -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ $ref.name | default .root.Values.secret }}
      key: {{ $ref.key | default .name }}
      {{- if and .optional (not $ref) }}
      optional: true
      {{- end }}
{{- end }}
