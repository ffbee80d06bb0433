{{/* The Deployment of a role. Takes a dict of `root`, `role`, `required`, `optional`, `own` (variables), `container` (ports,
and probes), `files` (whether /app has the chart's), `drain` and, where nothing scales it, `replicas`. */}}
{{- define "ringback.deployment" -}}
{{- $root := .root -}}
{{- $values := get $root.Values .role -}}
{{- $files := .files | ternary $root.Values.files dict -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "ringback.fullname" $root }}-{{ .role }}
  labels:
    {{- include "ringback.labels" . | nindent 4 }}
spec:
  {{- if hasKey . "replicas" }}
  replicas: {{ .replicas }}
  {{- end }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      # The old pods work until the new ones do.
      maxUnavailable: 0
      maxSurge: 1
  selector:
    matchLabels:
      {{- include "ringback.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- include "ringback.labels" . | nindent 8 }}
      annotations:
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        # A change of a file restarts the pods that have it.
        ringback/files: {{ $files | toJson | sha256sum }}
    spec:
      serviceAccountName: {{ include "ringback.serviceAccount" $root }}
      automountServiceAccountToken: false
      # A Service named `ringback` would else set RINGBACK_PORT to a URL.
      enableServiceLinks: false
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "ringback.podSecurity" $root | nindent 8 }}
      terminationGracePeriodSeconds: {{ add .drain (int $root.Values.graceSeconds) 10 }}
      containers:
        - name: ringback
          image: {{ include "ringback.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: [{{ .role }}]
          env:
            {{- include "ringback.environment" . | trim | nindent 12 }}
            {{- toYaml .own | nindent 12 }}
            {{- with $values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- toYaml .container | nindent 10 }}
          {{- if .drain }}
          lifecycle:
            preStop:
              sleep:
                seconds: {{ .drain }}
          {{- end }}
          securityContext:
            {{- include "ringback.containerSecurity" $root | nindent 12 }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            {{- range $name, $_ := $files }}
            # By file, since everybody could write to the folder of a mounted ConfigMap.
            - name: files
              mountPath: /app/{{ $name }}
              subPath: {{ $name }}
              readOnly: true
            {{- end }}
            {{- with $values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: 64Mi
        {{- if $files }}
        - name: files
          configMap:
            name: {{ include "ringback.fullname" $root }}-files
        {{- end }}
        {{- with $values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "ringback.selector" . | nindent 14 }}
      {{- range $field := list "nodeSelector" "tolerations" "affinity" }}
      {{- with get $values $field }}
      {{ $field }}:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
{{- end }}

{{- define "ringback.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "ringback.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Probes by HTTP. Takes a dict of `port`, `alive` and `ready` (paths). A pod is never restarted for an outage of Redis. */}}
{{- define "ringback.probes" -}}
startupProbe:
  httpGet: {path: {{ .alive }}, port: {{ .port }}}
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 60
livenessProbe:
  httpGet: {path: {{ .alive }}, port: {{ .port }}}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 6
readinessProbe:
  httpGet: {path: {{ .ready }}, port: {{ .port }}}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}
