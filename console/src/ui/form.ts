import { useForm, type UseFormInput, type UseFormReturnType } from '@mantine/form';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError, messageOf } from '../api/error';
import { withProof } from '../session/proof';

interface ApiFormInput<Values, Answer> extends UseFormInput<Values> {
  /** Sends the values; a refusal throws. */
  send: (values: Values) => Promise<Answer>;
  onSent?: (answer: Answer, values: Values) => void | Promise<void>;
  /** Said in a corner of the page when it went well. */
  said?: string | ((answer: Answer) => string);
  /** Which of the form's fields a parameter of the API is; left out: those of the same name. */
  fields?: Record<string, keyof Values & string>;
}

export interface ApiForm<Values> {
  form: UseFormReturnType<Values>;
  submit: (event?: React.SyntheticEvent<HTMLFormElement>) => void;
  isSending: boolean;
  /** What the server said that belongs to no field. */
  problem: string | null;
}

/**
 * A form that is sent to the API. What was typed stays when the server refuses, and its message
 * stands beside the field that it is about.
 */
export function useApiForm<Values extends Record<string, unknown>, Answer>(
  input: ApiFormInput<Values, Answer>,
): ApiForm<Values> {
  const { send, onSent, said, fields, ...rest } = input;
  const form = useForm<Values>(rest);
  const [problem, setProblem] = useState<string | null>(null);

  const mutation = useMutation({
    mutationFn: (values: Values) => withProof(() => send(values)),
    onMutate: () => {
      setProblem(null);
    },
    onSuccess: async (answer, values) => {
      if (said) {
        notifications.show({ message: typeof said === 'string' ? said : said(answer) });
      }
      await onSent?.(answer, values);
    },
    onError: (error, values) => {
      const param = error instanceof ApiError ? error.param?.split(/[.[]/)[0] : undefined;
      const field = param === undefined ? undefined : (fields?.[param] ?? param);
      if (field !== undefined && field in values) form.setFieldError(field, messageOf(error));
      else setProblem(messageOf(error));
    },
  });

  const submit = form.onSubmit((values) => {
    if (!mutation.isPending) mutation.mutate(values);
  });
  return { form, submit, isSending: mutation.isPending, problem };
}
