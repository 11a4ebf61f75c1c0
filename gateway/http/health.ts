// Whether the gateway lives (/healthz) and whether it can take work now (/readyz); main.ts knows both.

export interface HealthReport {
  ok: boolean;
  /** Each part by name; `detail` says what is chosen or wrong, in words and without patient data. */
  checks: Record<string, { ok: boolean; detail?: string }>;
}

export interface HealthSource {
  /** Cheap, and true unless only a restart would help. */
  live(): HealthReport;
  /** Looks at the database, the disk and the analyzer. */
  ready(): Promise<HealthReport>;
}
