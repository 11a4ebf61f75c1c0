// What a new installation shows: how to send the first study.
import type { About } from './api.ts';

export function EmptyList({ about }: { about: About | undefined }) {
  const host = location.hostname;
  return (
    <div className="empty">
      <h2>No studies yet</h2>
      <p>Chest radiographs that are sent here are analysed and listed, the most urgent first.</p>
      {about !== undefined && (
        <>
          <h3>From a modality or PACS, over DIMSE</h3>
          <dl>
            <dt>AE title</dt>
            <dd>{about.aeTitle}</dd>
            <dt>Host</dt>
            <dd>{host}</dd>
            <dt>Port</dt>
            <dd>{about.dimsePort}</dd>
          </dl>
          <pre>
            storescu -aec {about.aeTitle} {host} {about.dimsePort} image.dcm
          </pre>
        </>
      )}
      <h3>Over DICOMweb (STOW-RS)</h3>
      <pre>POST {location.origin}/dicomweb/studies</pre>
    </div>
  );
}
