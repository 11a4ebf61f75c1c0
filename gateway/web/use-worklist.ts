// The list as it stands at the server, kept live: read at the start, after every change told, and after every lost connection.
import { useCallback, useEffect, useRef, useState } from 'react';
import type { WorklistEntry } from '../worklist/worklist.ts';
import { ApiError, getWorklist, listen } from './api.ts';

/** A day's radiographs of one room; more on demand. */
const PAGE_ENTRIES = 200;
/** A burst of changes is one reading of the list. */
const SETTLE_MILLISECONDS = 250;
const RETRY_MILLISECONDS = [500, 1_000, 2_000, 5_000, 10_000];
/** Changes are told; this finds what a lost message would have. */
const REREAD_MILLISECONDS = 60_000;

export type Connection = { state: 'connecting' | 'live' } | { state: 'lost'; why: string };

interface Changes {
  connections: number;
  /** How often each study was told to have changed. */
  told: ReadonlyMap<string, number>;
}

export interface Worklist {
  entries: WorklistEntry[] | undefined;
  more: boolean;
  loadMore(): void;
  /** When what is shown was read from the server. */
  asOf: Date | undefined;
  connection: Connection;
  /** The server wants a token, or another one. */
  unauthorized: boolean;
  /** Another word means that the study may have changed at the server, so that an open one is read again. */
  versionOf(studyInstanceUid: string): string;
  reload(): void;
}

export function useWorklist(session: number): Worklist {
  const [entries, setEntries] = useState<WorklistEntry[]>();
  const [more, setMore] = useState(false);
  const [asOf, setAsOf] = useState<Date>();
  const [connection, setConnection] = useState<Connection>({ state: 'connecting' });
  const [unauthorized, setUnauthorized] = useState(false);
  const [changes, setChanges] = useState<Changes>({ connections: 0, told: new Map() });
  const wanted = useRef(PAGE_ENTRIES);
  const reading = useRef<Promise<void> | undefined>(undefined);
  const again = useRef(false);

  const read = useCallback(async (): Promise<void> => {
    try {
      const list = await getWorklist(wanted.current);
      setEntries(list.entries);
      setMore(list.more);
      setAsOf(new Date());
      setUnauthorized(false);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) setUnauthorized(true);
      else setConnection({ state: 'lost', why: error instanceof Error ? error.message : String(error) });
    }
  }, []);

  /** One reading at a time; what changes meanwhile causes one more. */
  const reload = useCallback((): void => {
    if (reading.current !== undefined) {
      again.current = true;
      return;
    }
    reading.current = read().finally(() => {
      reading.current = undefined;
      if (!again.current) return;
      again.current = false;
      reload();
    });
  }, [read]);

  useEffect(() => {
    const stop = new AbortController();
    let settle: ReturnType<typeof setTimeout> | undefined;
    const onStudy = (study: string): void => {
      setChanges(({ connections, told }) => ({ connections, told: new Map(told).set(study, (told.get(study) ?? 0) + 1) }));
      clearTimeout(settle);
      settle = setTimeout(reload, SETTLE_MILLISECONDS);
    };
    const stayConnected = async (): Promise<void> => {
      for (let failures = 0; !stop.signal.aborted; failures++) {
        let opened = false;
        try {
          await listen(stop.signal, () => {
            opened = true;
            setConnection({ state: 'live' });
            // What was told while nobody listened is unknown: everything may have changed.
            setChanges(({ connections }) => ({ connections: connections + 1, told: new Map() }));
            reload();
          }, onStudy);
        } catch (error) {
          if (stop.signal.aborted) return;
          if (error instanceof ApiError && error.status === 401) {
            setUnauthorized(true);
            return;
          }
          setConnection({ state: 'lost', why: error instanceof Error ? error.message : String(error) });
        }
        if (opened) failures = 0;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS[Math.min(failures, RETRY_MILLISECONDS.length - 1)]));
      }
    };
    void stayConnected();
    const timer = setInterval(reload, REREAD_MILLISECONDS);
    return () => {
      stop.abort();
      clearTimeout(settle);
      clearInterval(timer);
    };
  }, [reload, session]);

  const loadMore = useCallback(() => {
    wanted.current += PAGE_ENTRIES;
    reload();
  }, [reload]);

  const versionOf = useCallback((study: string) => `${changes.connections}.${changes.told.get(study) ?? 0}`, [changes]);
  return { entries, more, loadMore, asOf, connection, unauthorized, versionOf, reload };
}
