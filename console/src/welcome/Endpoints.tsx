import { Card } from '../ui/Card';
import classes from './Endpoints.module.css';

const ENDPOINTS = [
  ['POST', '/v1/chat/completions'],
  ['POST', '/v1/responses'],
  ['POST', '/v1/completions'],
  ['POST', '/v1/embeddings'],
  ['GET', '/v1/models'],
  ['GET', '/v1/organization/…'],
] as const;

/** What a program can call; /openapi.json has the whole list. */
export function Endpoints() {
  return (
    <Card title="Endpoints">
      <ul className={classes.list}>
        {ENDPOINTS.map(([method, path]) => (
          <li key={path} className={classes.row}>
            <span className={classes.method} data-method={method}>
              {method}
            </span>
            <span className={classes.path}>{path}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
