// Where a study's results went, and the instances that it came in.
import type { StudyDetail, StudyResult } from '../worklist/worklist.ts';
import { momentWords, stateWords } from './words.ts';

const KIND_WORDS: Record<string, string> = { 'structured-report': 'Structured Report', overlay: 'Overlay (Secondary Capture)' };

/** Every result, the current ones first, each with its way to each destination, in whichever form it went. */
export function DeliveryList({ detail }: { detail: StudyDetail }) {
  if (detail.results.length === 0) return <p className="quiet">No results were made yet.</p>;
  const results = detail.results.filter((result) => result.alternativeTo === null).toSorted((a, b) => Number(b.current) - Number(a.current) || b.createdAt.localeCompare(a.createdAt));
  return (
    <table className="deliveries">
      <caption>Results and their delivery</caption>
      <thead>
        <tr>
          <th scope="col">Result</th>
          <th scope="col">Destination</th>
          <th scope="col">Delivery</th>
          <th scope="col" className="number">Tries</th>
        </tr>
      </thead>
      <tbody>{results.map((result) => <ResultRows key={result.sopInstanceUid} result={result} detail={detail} />)}</tbody>
    </table>
  );
}

function ResultRows({ result, detail }: { result: StudyResult; detail: StudyDetail }) {
  const alternatives = detail.results.filter((other) => other.alternativeTo === result.sopInstanceUid).map((other) => other.sopInstanceUid);
  const deliveries = detail.deliveries.filter(({ sopInstanceUid: uid }) => uid === result.sopInstanceUid || alternatives.includes(uid));
  const what = (
    <td rowSpan={Math.max(1, deliveries.length)} className={result.current ? '' : 'replaced'}>
      {KIND_WORDS[result.kind] ?? result.kind}
      {!result.current && ' (replaced)'}
      <span className="second">
        {result.model.name} {result.model.version}, {momentWords(result.createdAt)}
      </span>
    </td>
  );
  if (deliveries.length === 0)
    return (
      <tr>
        {what}
        <td colSpan={3} className="quiet">no destination</td>
      </tr>
    );
  return deliveries.map((delivery, index) => (
    <tr key={delivery.destination}>
      {index === 0 && what}
      <td>{delivery.destination}</td>
      <td className={`state delivery-${delivery.status}`}>
        {stateWords(delivery.status)}
        {alternatives.includes(delivery.sopInstanceUid) && ' in the form that it takes'}
        <span className="second">
          {delivery.deliveredAt !== null ? momentWords(delivery.deliveredAt) : delivery.nextAttemptAt !== null ? `next try ${momentWords(delivery.nextAttemptAt)}` : ''}
        </span>
        {delivery.lastError !== null && delivery.deliveredAt === null && <span className="error">{delivery.lastError}</span>}
      </td>
      <td className="number">{delivery.attempts}</td>
    </tr>
  ));
}

export function InstanceList({ detail }: { detail: StudyDetail }) {
  return (
    <details className="instances">
      <summary>{detail.instances.length === 1 ? '1 instance' : `${detail.instances.length} instances`} received</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">Modality</th>
            <th scope="col">From</th>
            <th scope="col">Received</th>
            <th scope="col">SOP Instance UID</th>
          </tr>
        </thead>
        <tbody>
          {detail.instances.map((instance) => (
            <tr key={`${instance.sopInstanceUid} ${instance.version}`} className={instance.current ? '' : 'replaced'}>
              <td>{instance.modality}</td>
              <td>
                {instance.callingAe ?? (instance.transport === 'stow' ? 'STOW-RS' : '')} <span className="quiet">{instance.address}</span>
              </td>
              <td>{momentWords(instance.receivedAt)}</td>
              <td className="uid">
                {instance.sopInstanceUid}
                {instance.version > 1 && ` (version ${instance.version})`}
                {!instance.current && ' (replaced)'}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
