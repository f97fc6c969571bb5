// Which operation of a published description serves a request of a document.

/** A function of method and path; `{placeholders}` fit any segment, a slash at the end does not matter. */
export function routeFinder(description) {
  const operations = description.operations().map((operation) => ({ operation, parts: operation.path.split('/') }));
  return (method, path) => {
    const asked = path.replace(/(.)\/$/, '$1').split('/');
    const fits = ({ operation, parts }) => operation.method === method && parts.length === asked.length
      && parts.every((part, i) => part === asked[i] || part.startsWith('{'));
    const literal = ({ parts }) => parts.filter((part) => !part.startsWith('{')).length;
    return operations.filter(fits).sort((a, b) => literal(b) - literal(a))[0]?.operation;
  };
}
