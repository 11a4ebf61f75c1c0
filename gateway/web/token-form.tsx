// Asks for the bearer token when the server wants one.
import { useState } from 'react';

export function TokenForm({ onToken }: { onToken(token: string): void }) {
  const [token, setToken] = useState('');
  return (
    <form
      className="token"
      onSubmit={(event) => {
        event.preventDefault();
        onToken(token.trim());
      }}
    >
      <h1>Hilum</h1>
      <label htmlFor="token">This worklist is protected. Access token:</label>
      <input id="token" type="password" autoComplete="current-password" value={token} onChange={(event) => setToken(event.target.value)} autoFocus />
      <button disabled={token.trim() === ''}>Open the worklist</button>
      <p className="quiet">It is one of the lines of the file that http.auth.tokenFile names, and is kept for this tab only.</p>
    </form>
  );
}
