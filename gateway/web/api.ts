// The page's requests. All go through fetch, images and events too, because only fetch can carry a bearer token.
import type { DriftReport } from '../drift/report.ts';
import type { ReadingState, StudyDetail, WorklistEntry } from '../worklist/worklist.ts';

const TOKEN_KEY = 'hilum-token';
/** The server says something every 15 s; after twice that and a little the connection is dead. */
const SILENCE_MILLISECONDS = 35_000;
const REQUEST_MILLISECONDS = 15_000;

export interface About {
  aeTitle: string;
  dimsePort: number;
  version: string;
}

/** An answer other than success; `status` 0 when there was none. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Kept for this tab only. */
export function setToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token);
}

async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const headers = new Headers(init.headers);
  if (token) headers.set('Authorization', `Bearer ${token}`);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch (error) {
    throw new ApiError(0, error instanceof Error ? error.message : String(error));
  }
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  throw new ApiError(response.status, problem.detail ?? `the server answered ${response.status}`);
}

async function getJson<T>(path: string): Promise<T> {
  const response = await call(path, { signal: AbortSignal.timeout(REQUEST_MILLISECONDS) });
  return (await response.json()) as T;
}

export function getAbout(): Promise<About> {
  return getJson('/api/about');
}

export function getDrift(): Promise<DriftReport> {
  return getJson('/api/drift');
}

/** The first `count` entries in the server's order, over as many requests as it takes. */
export async function getWorklist(count: number): Promise<{ entries: WorklistEntry[]; more: boolean }> {
  const entries: WorklistEntry[] = [];
  let after: string | null = null;
  do {
    const query: string = `limit=${Math.min(500, count - entries.length)}${after === null ? '' : `&after=${encodeURIComponent(after)}`}`;
    const page: { entries: WorklistEntry[]; next: string | null } = await getJson(`/api/worklist?${query}`);
    entries.push(...page.entries);
    after = page.next;
  } while (after !== null && entries.length < count);
  // A study that moved while the pages were read may stand in two of them: its first place is the newer order's.
  const seen = new Set<string>();
  return { entries: entries.filter(({ studyInstanceUid: uid }) => !seen.has(uid) && seen.add(uid)), more: after !== null };
}

export function getStudy(studyInstanceUid: string): Promise<StudyDetail> {
  return getJson(`/api/studies/${studyInstanceUid}`);
}

export async function setReading(studyInstanceUid: string, reading: ReadingState): Promise<void> {
  await call(`/api/studies/${studyInstanceUid}`, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ reading }),
    signal: AbortSignal.timeout(REQUEST_MILLISECONDS),
  });
}

/** An image as an object URL, to be revoked by the caller. */
export async function getImage(path: string, signal: AbortSignal): Promise<string> {
  const response = await call(path, { signal, headers: { Accept: 'image/png' } });
  return URL.createObjectURL(await response.blob());
}

/** Listens to one event stream until it ends, fails or falls silent; always rejects in the end. */
export async function listen(signal: AbortSignal, onOpen: () => void, onStudy: (studyInstanceUid: string) => void): Promise<never> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MILLISECONDS);
  try {
    const response = await call('/api/events', { signal: AbortSignal.any([signal, silence.signal]), headers: { Accept: 'text/event-stream' } });
    onOpen();
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let pending = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new ApiError(0, 'the event stream ended');
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MILLISECONDS);
      const messages = (pending + value).split('\n\n');
      pending = messages.pop()!;
      for (const message of messages) {
        if (!/^event: study$/m.test(message)) continue;
        const data = /^data: (.*)$/m.exec(message)?.[1] ?? '{}';
        onStudy((JSON.parse(data) as { studyInstanceUid: string }).studyInstanceUid);
      }
    }
  } finally {
    clearTimeout(timer);
  }
}
