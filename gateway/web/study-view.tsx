// One opened study: what the model said about it, on the image and in words, and where its results went.
import { useEffect, useState } from 'react';
import type { ReadingState, StudyAnalysis, StudyDetail, WorklistEntry } from '../worklist/worklist.ts';
import { getStudy } from './api.ts';
import { AnalysisImage } from './analysis-image.tsx';
import { DeliveryList, InstanceList } from './study-tables.tsx';
import { ageAndSex, analysisWords, bySuspicion, conclusion, dateWords, extentWords, imageNumber, leftOutWords, nameWords, percent, priorityOf, timeWords } from './words.ts';

interface StudyProps {
  entry: WorklistEntry;
  /** Another word means that the study may have changed at the server. */
  version: string;
  regionsShown: boolean;
  onRegionsShown(shown: boolean): void;
  onMark(reading: ReadingState): void;
  onClose(): void;
}

export function StudyView({ entry, version, regionsShown, onRegionsShown, onMark, onClose }: StudyProps) {
  const [detail, setDetail] = useState<StudyDetail>();
  const [failure, setFailure] = useState<string>();
  const uid = entry.studyInstanceUid;
  useEffect(() => {
    let current = true;
    getStudy(uid).then(
      (study) => {
        if (!current) return;
        setDetail(study);
        setFailure(undefined);
      },
      (error: unknown) => current && setFailure(error instanceof Error ? error.message : String(error)),
    );
    return () => {
      current = false;
    };
  }, [uid, version]);

  const name = nameWords(entry.patientName);
  const facts = [entry.patientId, ageAndSex(entry), entry.patientBirthDate && `born ${dateWords(entry.patientBirthDate)}`].filter(Boolean).join(' · ');
  const study = [`${dateWords(entry.studyDate)} ${timeWords(entry.studyTime)}`.trim(), entry.description, entry.modalities.join(' '), entry.accessionNumber && `accession ${entry.accessionNumber}`];
  return (
    <article className="study-view" aria-label="Opened study">
      <div className="study-head">
        <div>
          <h2>
            <bdi>{name.main}</bdi> {name.others.map((other) => <bdi key={other} className="other-name">{other}</bdi>)}
          </h2>
          <p>{facts}</p>
          <p className="quiet">{study.filter(Boolean).join(' · ')}</p>
        </div>
        <div className="actions">
          {entry.reading === 'read' ? <button onClick={() => onMark('unread')}>Mark as unread</button> : <button onClick={() => onMark('read')}>Mark as read</button>}
          {entry.reading === 'unread' && <button onClick={() => onMark('claimed')}>Claim</button>}
          <button onClick={onClose}>Close</button>
        </div>
      </div>
      {entry.flagged !== null && <p className="flagged">⚑ {entry.flagged}</p>}
      <p className={`conclusion ${priorityOf(entry)}`}>{conclusion(entry)}</p>
      {failure !== undefined && (
        <p className="banner" role="alert">
          {detail === undefined ? 'The study could not be read' : 'What follows may be out of date'}: {failure}
        </p>
      )}
      {detail !== undefined && <Analyses detail={detail} regionsShown={regionsShown} onRegionsShown={onRegionsShown} />}
      {detail !== undefined && <DeliveryList detail={detail} />}
      {detail !== undefined && <InstanceList detail={detail} />}
    </article>
  );
}

function Analyses({ detail, regionsShown, onRegionsShown }: { detail: StudyDetail; regionsShown: boolean; onRegionsShown(shown: boolean): void }) {
  const [chosen, setChosen] = useState<string>();
  const [pointedAt, setPointedAt] = useState<string>();
  const analyses = detail.analyses.toSorted(bySuspicion);
  const models = new Set(analyses.map(({ model }) => model.name)).size;
  const analysis = analyses.find((candidate) => keyOf(candidate) === chosen) ?? analyses[0];
  if (analysis === undefined) return <p className="quiet">No image of this study was analysed{detail.reason === null ? ' yet' : ''}.</p>;
  return (
    <>
      {analyses.length > 1 && (
        <div className="images" role="group" aria-label="Images of the study">
          {analyses.map((one) => (
            <button key={keyOf(one)} aria-pressed={one === analysis} onClick={() => setChosen(keyOf(one))}>
              Image {imageNumber(analyses, one)}
              {one.frame > 1 ? `, frame ${one.frame}` : ''}
              {models > 1 ? `, ${one.model.name}` : ''}: {one.status === 'analyzed' ? percent(one.probability, one.threshold) : one.status === 'failed' ? 'failed' : 'not analysable'}
            </button>
          ))}
        </div>
      )}
      <AnalysisImage key={keyOf(analysis)} detail={detail} analysis={analysis} regionsShown={regionsShown} onRegionsShown={onRegionsShown} pointedAt={pointedAt} />
      {extentWords(analysis) !== '' && <p className="extent">{extentWords(analysis)}</p>}
      {analysisWords(analysis) !== '' && <p className="said">{analysisWords(analysis)}</p>}
      {analysis.status === 'analyzed' ? (
        <table className="regions">
          <caption>
            {analysis.regions.length === 0 ? 'No region located in this image.' : 'Regions, in pixels of the stored image'} <span className="quiet">{analysis.provider}, {Math.round(analysis.milliseconds)} ms</span>
          </caption>
          {analysis.regions.length > 0 && (
            <thead>
              <tr>
                <th scope="col">No.</th>
                <th scope="col">Finding</th>
                <th scope="col" className="number">Score</th>
                <th scope="col" className="number">Left, top</th>
                <th scope="col" className="number">Width × height</th>
              </tr>
            </thead>
          )}
          <tbody>
            {analysis.regions.map((region, index) => (
              <tr key={region.trackingUid} onMouseEnter={() => setPointedAt(region.trackingUid)} onMouseLeave={() => setPointedAt(undefined)}>
                <td>{index + 1}</td>
                <td>{analysis.finding ?? region.label}</td>
                <td className="number">{percent(region.score)}</td>
                <td className="number">
                  {Math.round(region.x)}, {Math.round(region.y)}
                </td>
                <td className="number">
                  {Math.round(region.width)} × {Math.round(region.height)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p className="why">
          {analysis.status === 'failed' ? 'The analysis of this image failed' : 'This image is not analysable'}: {analysis.reason}
        </p>
      )}
      {leftOutWords(detail).map((words) => (
        <p key={words} className="quiet">
          Left out: {words}
        </p>
      ))}
      <p className="quiet">
        Model {analysis.model.name} {analysis.model.version} <span className="digest">(sha256 {analysis.model.sha256.slice(0, 12)}…)</span>
        {detail.route !== null && <> · route “{detail.route}”</>} · for research use
      </p>
    </>
  );
}

function keyOf(analysis: StudyAnalysis): string {
  return `${analysis.sopInstanceUid} ${analysis.frame} ${analysis.model.name}`;
}
