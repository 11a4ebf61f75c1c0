// Above the list, while images or outcomes are unlike those that a model was accepted with.
import { useEffect, useState } from 'react';
import { getDrift } from './api.ts';
import { driftLines, type DriftLine } from './drift-words.ts';

/** The server compares once an hour. */
const ASK_MILLISECONDS = 5 * 60_000;

/** @param session another number asks anew, as after a new token */
export function DriftNotice({ session }: { session: number }) {
  const [lines, setLines] = useState<DriftLine[]>([]);
  useEffect(() => {
    const ask = (): void => void getDrift().then((report) => setLines(driftLines(report)), () => undefined); // a lost connection has its own banner
    ask();
    const timer = setInterval(ask, ASK_MILLISECONDS);
    return () => clearInterval(timer);
  }, [session]);
  if (lines.length === 0) return null;
  return (
    <details className="notice">
      <summary>
        <strong>Images or outcomes differ from those that the model was accepted with.</strong> Its word may be worth less than usual until somebody has looked into it.
      </summary>
      <ul>
        {lines.map(({ place, changes, since }) => (
          <li key={place}>
            {place}: {changes} <span className="since">since {since}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}
