// The reading room's page: the list on the left, the opened study on the right, the keyboard for both.
import { useCallback, useEffect, useMemo, useState } from 'react';
import type { ReadingState } from '../worklist/worklist.ts';
import { getAbout, setReading, setToken, type About } from './api.ts';
import { DriftNotice } from './drift-notice.tsx';
import { EmptyList } from './empty-list.tsx';
import { StudyView } from './study-view.tsx';
import { TokenForm } from './token-form.tsx';
import { useWorklist, type Worklist } from './use-worklist.ts';
import { count, momentWords, priorityOf } from './words.ts';
import { WorklistTable } from './worklist-table.tsx';

const CLOCK_MILLISECONDS = 15_000;

export function Page() {
  const [session, setSession] = useState(0);
  const worklist = useWorklist(session);
  const [about, setAbout] = useState<About>();
  const [selected, setSelected] = useState<string>();
  const [open, setOpen] = useState(false);
  const [hideRead, setHideRead] = useState(false);
  const [regionsShown, setRegionsShown] = useState(true);
  const [failure, setFailure] = useState<string>();
  const now = useClock();
  const { entries, reload, connection } = worklist;
  const stale = connection.state === 'lost';

  useEffect(() => {
    getAbout().then(setAbout, () => undefined); // the connection's own banner says what is wrong
  }, [session, connection.state]);

  const shown = useMemo(() => entries?.filter((entry) => !hideRead || entry.reading !== 'read' || entry.studyInstanceUid === selected), [entries, hideRead, selected]);
  const place = shown?.findIndex((entry) => entry.studyInstanceUid === selected) ?? -1;
  const current = place >= 0 ? shown?.[place] : undefined;

  const mark = useCallback(
    async (reading: ReadingState) => {
      if (current === undefined) return;
      try {
        await setReading(current.studyInstanceUid, reading);
        setFailure(undefined);
        reload();
      } catch (error) {
        setFailure(`The study could not be marked as ${reading}: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
    [current, reload],
  );

  useEffect(() => {
    const move = (to: number): void => setSelected(shown?.[Math.max(0, Math.min(shown.length - 1, to))]?.studyInstanceUid);
    const actions: Record<string, () => void> = {
      ArrowDown: () => move(place + 1),
      ArrowUp: () => move(place < 0 ? 0 : place - 1),
      Home: () => move(0),
      End: () => move((shown?.length ?? 1) - 1),
      PageDown: () => move(place + 15),
      PageUp: () => move(place - 15),
      Enter: () => setOpen(current !== undefined),
      Escape: () => setOpen(false),
      r: () => void mark('read'),
      u: () => void mark('unread'),
      c: () => void mark('claimed'),
      h: () => setRegionsShown((before) => !before),
    };
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const element = event.target as HTMLElement;
      if (element.closest('input')) return;
      // Controls keep their own Enter; a key held down must not mark a study twice.
      if (event.key === 'Enter' && element.closest('button, a, summary')) return;
      const action = actions[event.key];
      if (action === undefined || (event.repeat && event.key.length === 1)) return;
      event.preventDefault();
      action();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [shown, place, current, mark]);

  if (worklist.unauthorized)
    return (
      <TokenForm
        onToken={(token) => {
          setToken(token);
          setSession((before) => before + 1);
          reload();
        }}
      />
    );
  return (
    <div className={`page${stale ? ' stale' : ''}`}>
      <Header worklist={worklist} hideRead={hideRead} onHideRead={setHideRead} />
      {stale && (
        <p className="banner" role="alert">
          <strong>Connection lost.</strong> {worklist.asOf === undefined ? 'Nothing could be read yet.' : `This is the list as of ${momentWords(worklist.asOf.toISOString())}; it may be out of date.`} Trying again. ({connection.why})
        </p>
      )}
      {failure !== undefined && (
        <p className="banner" role="alert">
          {failure} <button onClick={() => setFailure(undefined)}>Dismiss</button>
        </p>
      )}
      <DriftNotice session={session} />
      <main className={open && current !== undefined ? 'split' : ''}>
        <section className="list" aria-label="Worklist">
          {shown === undefined ? (
            <p className="quiet">{stale ? '' : 'Reading the list …'}</p>
          ) : entries?.length === 0 ? (
            <EmptyList about={about} />
          ) : (
            <>
              <WorklistTable
                entries={shown}
                selected={selected}
                now={now}
                onSelect={setSelected}
                onOpen={(uid) => {
                  setSelected(uid);
                  setOpen(true);
                }}
              />
              {shown.length === 0 && <p className="quiet">Every study on this list is marked as read.</p>}
              {worklist.more && (
                <p className="quiet">
                  <button onClick={worklist.loadMore}>Show more studies</button>
                </p>
              )}
            </>
          )}
        </section>
        {open && current !== undefined && (
          <StudyView
            key={current.studyInstanceUid}
            entry={current}
            version={worklist.versionOf(current.studyInstanceUid)}
            regionsShown={regionsShown}
            onRegionsShown={setRegionsShown}
            onMark={(reading) => void mark(reading)}
            onClose={() => setOpen(false)}
          />
        )}
      </main>
      <footer>
        <span className="research">For research use. Not for diagnosis: a study in which the model found nothing is not cleared, and every study is to be read.</span>
        <span className="keys">
          <kbd>↑</kbd> <kbd>↓</kbd> select · <kbd>Enter</kbd> open · <kbd>Esc</kbd> close · <kbd>R</kbd> read · <kbd>U</kbd> unread · <kbd>C</kbd> claim · <kbd>H</kbd> regions on/off
        </span>
        <span className="version">Hilum {about?.version ?? ''}</span>
      </footer>
    </div>
  );
}

function Header({ worklist, hideRead, onHideRead }: { worklist: Worklist; hideRead: boolean; onHideRead(hide: boolean): void }) {
  const { entries = [], connection, asOf, more } = worklist;
  const unread = entries.filter((entry) => entry.reading !== 'read');
  const of = (...priorities: string[]): number => unread.filter((entry) => priorities.includes(priorityOf(entry))).length;
  const states = { live: 'Live', connecting: 'Connecting …', lost: 'Connection lost' };
  return (
    <header>
      <h1>Hilum</h1>
      <p className="counts" aria-live="polite">
        <b>{unread.length}</b>{more ? '+' : ''} to read: <b className="finding">{of('finding')}</b> with a finding, <b className="unknown">{of('unknown')}</b> without an answer, <b>{of('none-found')}</b> none found, <b>{of('pending')}</b> pending
        <span className="quiet"> · {count(entries.length - unread.length, 'study', 'studies')} read</span>
      </p>
      <label>
        <input type="checkbox" checked={hideRead} onChange={(event) => onHideRead(event.target.checked)} /> Hide read
      </label>
      <p className={`connection ${connection.state}`} role="status">
        {states[connection.state]}
        {asOf !== undefined && <span className="quiet"> · as of {momentWords(asOf.toISOString()).slice(11)}</span>}
      </p>
    </header>
  );
}

function useClock(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), CLOCK_MILLISECONDS);
    return () => clearInterval(timer);
  }, []);
  return now;
}
