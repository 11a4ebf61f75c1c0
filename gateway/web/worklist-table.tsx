// The list: a table in the server's order, one study a row, each of the four states in words.
import { useLayoutEffect, useRef } from 'react';
import type { WorklistEntry } from '../worklist/worklist.ts';
import { ageAndSex, count, dateWords, durationWords, extentInShort, extentWords, findingWords, momentWords, nameWords, percent, priorityOf, stateWords, timeWords } from './words.ts';

interface TableProps {
  entries: WorklistEntry[];
  selected: string | undefined;
  /** Milliseconds since the epoch. */
  now: number;
  onSelect(studyInstanceUid: string): void;
  onOpen(studyInstanceUid: string): void;
}

export function WorklistTable({ entries, selected, now, onSelect, onOpen }: TableProps) {
  const row = useRef<HTMLTableRowElement>(null);
  // A row that moves or is chosen by key keeps the focus, and stays in sight.
  useLayoutEffect(() => {
    if (document.activeElement === document.body || document.activeElement?.closest('tbody')) row.current?.focus({ preventScroll: true });
  }, [entries, selected]);
  useLayoutEffect(() => {
    row.current?.scrollIntoView({ block: 'nearest' });
  }, [selected]);
  const hasSelection = entries.some((entry) => entry.studyInstanceUid === selected);
  return (
    <table className="worklist">
      <thead>
        <tr>
          <th scope="col" className="finding-column">Model's finding</th>
          <th scope="col" className="patient-column">Patient</th>
          <th scope="col">Study</th>
          <th scope="col" className="state-column wide">Intake</th>
          <th scope="col" className="analysis-column">Analysis</th>
          <th scope="col" className="state-column">
            Delivery<span className="narrow">, intake</span>
          </th>
          <th scope="col" className="state-column">
            Reading<span className="narrow">, waiting</span>
          </th>
          <th scope="col" className="state-column number wide">
            Waiting
          </th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry, index) => {
          const uid = entry.studyInstanceUid;
          const isSelected = uid === selected;
          const waiting = entry.reading === 'read' ? '–' : durationWords(now - Date.parse(entry.receivedAt));
          return (
            <tr
              key={uid}
              ref={isSelected ? row : undefined}
              tabIndex={isSelected || (!hasSelection && index === 0) ? 0 : -1}
              aria-current={isSelected ? 'true' : undefined}
              className={`${priorityOf(entry)} ${entry.reading}`}
              data-study={uid}
              onFocus={() => onSelect(uid)}
              onClick={() => onOpen(uid)}
            >
              <FindingCell entry={entry} />
              <PatientCell entry={entry} />
              <StudyCell entry={entry} />
              <td className={`state wide ${entry.intake}`}>{stateWords(entry.intake)}</td>
              <td className={`state ${entry.analysis}`}>
                {stateWords(entry.analysis)}
                <Second title={entry.flagged ?? entry.reason ?? ''}>{entry.flagged === null ? entry.reason : <strong className="flag">⚑ {entry.flagged}</strong>}</Second>
              </td>
              <td className={`state delivery-${entry.delivery}`}>
                {stateWords(entry.delivery)}
                <span className="second narrow">{stateWords(entry.intake)}</span>
              </td>
              <td className={`state ${entry.reading}`}>
                {stateWords(entry.reading)}
                <span className="second narrow">{waiting}</span>
              </td>
              <td className="number wide" title={`Received ${momentWords(entry.receivedAt)}`}>
                {waiting}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function FindingCell({ entry }: { entry: WorklistEntry }) {
  return (
    <td className="finding-cell">
      <span className="mark" aria-hidden="true" />
      <span className="line">
        <span className="words" title={findingWords(entry)}>{findingWords(entry)}</span> {entry.probability !== null && <span className="probability">{percent(entry.probability, entry.threshold)}</span>}
      </span>
      <Second title={extentWords(entry)} whole>{extentInShort(entry) || (entry.probability === null ? '' : count(entry.regions, 'region'))}</Second>
    </td>
  );
}

function PatientCell({ entry }: { entry: WorklistEntry }) {
  const name = nameWords(entry.patientName);
  return (
    <td className="patient">
      <bdi className="name">{name.main}</bdi>
      {name.others[0] !== undefined && <bdi className="other-name">{name.others[0]}</bdi>}
      <Second>
        <bdi>{entry.patientId || 'no ID'}</bdi>
        {ageAndSex(entry) && <span className="age">{ageAndSex(entry)}</span>}
      </Second>
    </td>
  );
}

function StudyCell({ entry }: { entry: WorklistEntry }) {
  return (
    <td className="study">
      <bdi>{entry.description || 'No description'}</bdi>
      <Second>
        <span className="modality">{entry.modalities.join(' ')}</span> {dateWords(entry.studyDate) || 'no date'} {timeWords(entry.studyTime)} · {count(entry.images, 'image')}
      </Second>
    </td>
  );
}

/** @param props.whole never cut off: half a number is another one */
function Second({ children, title, whole = false }: { children: React.ReactNode; title?: string; whole?: boolean }) {
  return (
    <span className={whole ? 'second whole' : 'second'} title={title}>
      {children}
    </span>
  );
}
